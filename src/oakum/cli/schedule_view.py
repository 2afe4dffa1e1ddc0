"""How `oakum schedule` looks: a table from 80 columns on, one schedule in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from oakum.cli import show
from oakum.inspector.schedules import ScheduleRow

_QUIET: Final = "bright_black"
_WIDE: Final = 110
_STYLES: Final = {"ticking": "default", "paused": "yellow", "over": _QUIET}
_SHORTEST_NAME: Final = 12


def list_view(rows: Sequence[ScheduleRow], now_ms: int, width: int) -> Iterator[RenderableType]:
    """A line for each, then what is wrong."""
    wide = width >= _WIDE
    heads = [
        "SCHEDULE",
        "TICKS",
        *(["TASK"] if wide else []),
        "NEXT",
        "LAST",
        "FIRED",
        "SKIPPED",
        *(["OVERLAP"] if wide else []),
    ]
    table = show.table(*heads, left=3 if wide else 2)
    room = max(_SHORTEST_NAME, width // 5)
    for row in rows:
        ticks = show.clean(row.timing) + ("*" if row.set_by_hand else "")
        cells = [
            show.tail(row.name, room),
            ticks,
            *([show.tail(row.task, room)] if wide else []),
            coming(row, now_ms),
            show.age(now_ms - row.fired_ms) if row.fired_ms is not None else show.UNKNOWN,
            show.number(row.fired),
            show.number(sum(row.skipped.values())),
            *([row.overlap] if wide else []),
        ]
        table.add_row(*cells, style=_STYLES[row.state])
    yield table
    if any(row.set_by_hand for row in rows):
        yield Text("* set by hand; `oakum schedule reset NAME` gives back to the code", _QUIET)
    yield from (Text(f"! {show.clean(row.warning)}", "yellow") for row in rows if row.warning)


def coming(row: ScheduleRow, now_ms: int) -> str:
    """When the next tick is, in few places: `in 4m10s`."""
    if row.next_ms is None:
        return row.state
    return "now" if row.next_ms <= now_ms else f"in {show.age(row.next_ms - now_ms)}"


def standing(row: ScheduleRow, now_ms: int) -> str:
    """How a schedule stands, in one line."""
    by_hand = ", set by hand" if row.set_by_hand else ""
    if row.next_ms is None:
        return f"{row.timing}{by_hand}, {row.state}"
    return f"{row.timing}{by_hand}, next tick {coming(row, now_ms)} ({show.moment(row.next_ms)})"


def schedule_view(row: ScheduleRow, now_ms: int) -> RenderableType:
    """Everything about one."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=_QUIET)
    grid.add_row("schedule", Text(show.clean(row.name), "bold"))
    for word, text in _lines(row, now_ms):
        grid.add_row(word, show.clean(text))
    if row.warning:
        grid.add_row("", Text(f"! {show.clean(row.warning)}", "yellow"))
    return grid


def _lines(row: ScheduleRow, now_ms: int) -> Iterator[tuple[str, str]]:
    yield "ticks", standing(row, now_ms)
    for word, moment in (("starts", row.start_ms), ("ends", row.end_ms)):
        if moment is not None:
            yield word, show.moment(moment)
    if row.jitter_s:
        yield "jitter", f"up to {show.duration(row.jitter_s)} later, by chance"
    yield "makes", f"jobs of {row.task} in queue {row.queue}"
    yield "its jobs", f"oakum jobs --tag 'schedule:{row.name}'"
    yield "overlap", row.overlap
    yield "catch-up", {0: "none", 1: "latest"}.get(row.catchup, f"all, the last {row.catchup}")
    if row.fired_ms is not None:
        yield "last tick", f"{show.age(now_ms - row.fired_ms)} ago ({show.moment(row.fired_ms)})"
    yield "fired", f"{row.fired:,}" + (f", {row.late:,} of them caught up" if row.late else "")
    if row.triggered:
        yield "by hand", f"{row.triggered:,}"
    for why, count in sorted(row.skipped.items()):
        yield "skipped", f"{count:,} {_WHY[why]}"
    if row.stretched_s is not None:
        yield "interval", f"{show.duration(row.stretched_s)} instead of {show.duration(row.interval_s)}, as it adapts"
    if row.safe_s is not None:
        yield "safe", f"every {show.duration(row.safe_s)} or more, as last measured"
    yield "declared", f"by {row.app}"


_WHY: Final = {
    "overlap": "because the job before had not ended",
    "missed": "missed while no worker ran, or too late",
    "paused": "while it was paused",
    "queue full": "because the queue was full",
    "duplicate": "because its unique job was there already",
}
