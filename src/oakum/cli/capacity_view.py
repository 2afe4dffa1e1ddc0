"""How `oakum capacity` looks, from 80 columns on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from oakum.cli import show
from oakum.inspector.capacity import Capacity, ForecastRow, IntervalRow, PaceRow

_QUIET: Final = "bright_black"
_WIDE: Final = 110
_NEVER: Final = "never"
_STYLES: Final = {"safe": "green", "too short": "red", "too short with one host less": "yellow", "unknown": _QUIET}


def capacity_view(found: Capacity, width: int) -> Iterator[RenderableType]:
    """What is asked and done, the schedules, the forecasts."""
    if found.sampled_ms is None:
        yield Text("nothing measured yet: a worker takes a sample every 5 seconds while it runs", _QUIET)
    else:
        age = show.age(found.at_ms - found.sampled_ms)
        note = f"; the last sample is {age} old, no worker takes any" if found.stale else ""
        yield Text(f"{_slots(found.slots)}, {found.busy:.0%} busy{note}", "yellow" if found.stale else "default")
    if found.paces:
        yield Text()
        yield _paces(found.paces, width)
    if found.intervals:
        yield Text()
        yield _intervals(found.intervals, width)
        yield from (Text(f"! {note}", "yellow") for note in notes(found.intervals))
    if found.forecasts:
        yield Text()
        yield from map(_forecast, found.forecasts)


def notes(intervals: Sequence[IntervalRow]) -> Iterator[str]:
    """A sentence for each schedule that outruns its workers."""
    for row in intervals:
        if row.verdict == "too short":
            may = (
                f"at least every {show.duration(row.safe_s)}"
                if row.safe_s is not None
                else "no interval is long enough"
            )
            more = " and runs that may overlap" if row.serial else ""
            need = f", or {_slots(row.slots_needed)}{more}" if row.slots_needed is not None else ""
            yield f"schedule {row.schedule} fires every {show.duration(row.interval_s)}, faster than its workers: {may}{need}"


def _paces(paces: Sequence[PaceRow], width: int) -> RenderableType:
    wide = width >= _WIDE
    heads = ["IN/s", "OUT/s", "MEAN", *(["p50", "p95"] if wide else []), "SLOTS", "WAITING", "OLDEST", "EMPTY IN"]
    table = show.table("TASK", *heads, gap=2 if wide else 1)
    many = len({pace.queue for pace in paces}) > 1
    for pace in paces:
        name = f"{pace.queue}: {pace.task}" if many else pace.task
        table.add_row(
            show.tail(name, 40 if wide else 22),
            f"{pace.arrivals:,.2f}",
            f"{pace.endings:,.2f}",
            show.duration(pace.mean_s),
            *([show.duration(pace.p50_s), show.duration(pace.p95_s)] if wide else []),
            f"{pace.slots:.2f}",
            show.number(pace.unfinished),
            show.duration(pace.oldest_s),
            show.duration(pace.drain_s) if pace.drain_s is not None else _NEVER if pace.unfinished else show.UNKNOWN,
        )
    return table


def _intervals(rows: Sequence[IntervalRow], width: int) -> RenderableType:
    table = show.table(
        "SCHEDULE", "EVERY", "SAFE FROM", "ONE HOST LESS", "SLOTS", "NEEDED", gap=2 if width >= _WIDE else 1
    )
    table.add_column("VERDICT", no_wrap=True, overflow="ellipsis")
    for row in rows:
        known = row.verdict != "unknown"
        table.add_row(
            show.tail(row.schedule, 24),
            show.duration(row.interval_s),
            _safe(row.safe_s) if known else show.UNKNOWN,
            _safe(row.one_host_less_s) if known else show.UNKNOWN,
            str(row.slots) if known else show.UNKNOWN,
            show.UNKNOWN if row.slots_needed is None else str(row.slots_needed),
            Text(row.verdict, _STYLES[row.verdict]),
        )
    return table


def _slots(count: int) -> str:
    return "1 slot" if count == 1 else f"{count:,} slots"


def _safe(seconds: float | None) -> str:
    return _NEVER if seconds is None else show.duration(seconds)


def _forecast(row: ForecastRow) -> RenderableType:
    amount = show.size if row.unit == "bytes" else lambda count: f"{count:,.0f} jobs"
    return Text(
        f"{row.subject}: {amount(row.used)} of {amount(row.bound)}, full in {show.duration(row.full_in_s)} at"
        f" {amount(row.growth * 3600)} an hour",
        "red" if row.full_in_s < 3600 else "yellow",
    )
