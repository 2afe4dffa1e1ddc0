"""How `oakum status` looks: from an overview to lines, for any width from 80 columns on."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from oakum.cli import show
from oakum.cli.queue_view import used
from oakum.inspector.rates import Rates
from oakum.inspector.views import Overview, QueueRow, TaskRow, Ticking, WorkerRow
from oakum.model.report import ChildReport, WorkerReport

_WIDE: Final = 110  # columns from which on a task's waiting and running jobs and its rate have room
_MOST_CHILDREN: Final = 8
_SHORTEST_NAME: Final = 8
_TASK_LINES: Final = 3  # of the table of tasks, beside its rows
_QUIET: Final = "bright_black"
_BETWEEN: Final = "(between two jobs)"


def view(title: str, now: Overview, rates: Rates | None, width: int, height: int | None) -> RenderableType:
    """The whole page. `rates` None: seen only once; `height` lines at most, None: all there is."""
    above = [_head(title, now), Text(now.durability, _QUIET), Text()]
    for worker in now.workers:
        if worker.state != "gone":  # there is a note on each that is
            above += [*_worker(worker, now.at_ms, width), Text()]
    if now.notes:
        above += [_notes(now.notes), Text()]
    if now.queues:
        above += [_queues(now.queues, rates), Text()]
    else:
        above.append(Text("no jobs yet: `oakum enqueue MODULE:APP TASK` makes one", _QUIET))
    if now.schedules.count:
        above += [_schedules(now.schedules, now.at_ms), Text()]
    room = None if height is None else height - _TASK_LINES - _lines(above, width)
    return Group(*above, *_tasks(now.tasks, rates, width, room))


def _head(title: str, now: Overview) -> RenderableType:
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(title, "bold"), Text(show.moment(now.at_ms), _QUIET))
    return head


def _notes(notes: Sequence[str]) -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    for note in notes:
        table.add_row(Text("!", "yellow"), Text(show.clean(note), "yellow"))
    return table


# -- workers -----------------------------------------------------------------------------------------------------------


def _schedules(ticking: Ticking, now_ms: int) -> Text:
    resting = f", {ticking.resting:,} of them paused or over" if ticking.resting else ""
    coming = "" if ticking.next_ms is None else f", the next tick in {show.age(ticking.next_ms - now_ms)}"
    return Text(f"schedules {ticking.count:,}{resting}{coming}")


def _worker(worker: WorkerRow, now_ms: int, width: int) -> Iterator[RenderableType]:
    report = worker.report
    place = "" if worker.host == platform.node() else f" on {worker.host}"
    name = Text.assemble(("worker ", "bold"), (f"{worker.pid}{place}", "bold"))
    state = Text(worker.state, "green" if worker.state == "running" else "yellow")
    if report is None or not worker.alive:
        yield _flow([name, state], width)
        return
    age = show.duration((now_ms - report.started_ms) / 1000)
    facts = [
        report.app,
        f"for {age}",
        f"{report.ended:,} done",
        f"{report.rate:,.0f}/s",
        f"PSS {show.size(report.pss)}",
    ]
    if report.waiting_for_room:
        facts.append(f"{report.waiting_for_room:,} claimed and waiting for room")
    yield _flow([name, state, *map(Text, facts)], width)
    yield from _room(report, width)
    yield _flow([Text("rings"), *map(_ring, report.rings)], width)
    yield from _children(report.children)


class _Part(NamedTuple):
    """A part of the room: how it is drawn, what it is, how many bytes."""

    glyph: str
    style: str
    name: str
    bytes: int


def _room(report: WorkerReport, width: int) -> Iterator[RenderableType]:
    overhead = report.supervisor + report.template
    measured = min(report.measured, report.reserved)
    free = max(0, report.room - overhead - report.resting - report.reserved)
    parts = [
        _Part("█", _QUIET, "supervisor+template", overhead),
        _Part("▓", "blue", "resting", report.resting),
        _Part("▒", "green", "measured", measured),
        _Part("░", "green", "reserved", report.reserved - measured),
        _Part("·", _QUIET, "free", free),
    ]
    yield _bar(parts, width)
    sizes = {part.name: part.bytes for part in parts} | {"measured": report.measured, "reserved": report.reserved}
    legend = [Text.assemble((part.glyph, part.style), f" {part.name} {show.size(sizes[part.name])}") for part in parts]
    yield _flow([Text(f"room {show.size(report.room)}"), *legend], width)


def _bar(parts: Sequence[_Part], width: int) -> Text:
    """One line in which each part takes its share, and at least one place where there is any of it."""
    total = sum(part.bytes for part in parts) or 1
    places = [max(1, round(part.bytes * width / total)) if part.bytes else 0 for part in parts]
    places[places.index(max(places))] += width - sum(places)
    return Text.assemble(*((part.glyph * count, part.style) for part, count in zip(parts, places, strict=True)))


def _ring(ring: str) -> Text:
    off = " off" in ring
    return Text.assemble(("○ ", "yellow") if off else ("● ", "green"), (ring, _QUIET if off else ""))


def _children(children: Sequence[ChildReport]) -> Iterator[RenderableType]:
    busy = [child for child in children if child.in_hand]
    idle = len(children) - len(busy)
    if busy:
        table = show.table("CHILD", "TASK", "FOR", "TAKEN", "OF", "RESTING", "IN HAND", left=2)
        for child in busy[:_MOST_CHILDREN]:
            table.add_row(
                str(child.pid),
                show.tail(child.task or _BETWEEN, 30),
                show.duration(child.running_s) if child.task else show.UNKNOWN,
                show.size(child.measured),
                show.size(child.reserved),
                show.size(child.resting),
                str(child.in_hand),
            )
        yield table
    more = [f"{len(busy) - _MOST_CHILDREN} more busy"] if len(busy) > _MOST_CHILDREN else []
    if idle:
        resting = show.size(max(child.resting for child in children))
        more.append(f"{idle} idle children, {resting} each" if idle > 1 else f"1 idle child, {resting}")
    if more:
        yield Text(", ".join(more), _QUIET)


# -- queues and tasks --------------------------------------------------------------------------------------------------


def _queues(queues: Sequence[QueueRow], rates: Rates | None) -> RenderableType:
    growth = ["GROWS", "EMPTY IN"] if rates is not None else []
    held = ["HELD"] if any(queue.jobs.held for queue in queues) else []
    bound = ["OF MAX"] if any(queue.used is not None for queue in queues) else []
    expired = ["EXPIRED"] if any(queue.jobs.expired for queue in queues) else []
    table = show.table("QUEUE", "WAITING", "LATER", *held, "RUNNING", *bound, "COMPLETED", "FAILED", *expired, *growth)
    for queue in queues:
        jobs = queue.jobs
        name = Text(show.tail(queue.name, 24))
        if queue.paused:
            name.append(" paused", "yellow")
        bad = jobs.failed + jobs.quarantined
        table.add_row(
            name,
            show.number(jobs.available),
            show.number(jobs.scheduled),
            *([show.number(jobs.held)] if held else []),
            show.number(jobs.running),
            *([used(queue)] if bound else []),
            show.number(jobs.completed),
            Text(show.number(bad), "red" if bad else ""),
            *([Text(show.number(jobs.expired), "yellow" if jobs.expired else "")] if expired else []),
            *(_growth(jobs.waiting, rates.growth.get(queue.name, 0.0)) if rates is not None else ()),
        )
    return table


def _growth(waiting: int, per_second: float) -> tuple[str, str]:
    """By how much the waiting jobs become more each second, and when none is left at this rate."""
    if not round(per_second, 1):
        return show.UNKNOWN, show.UNKNOWN
    empty = show.duration(waiting / -per_second) if per_second < 0 and waiting else show.UNKNOWN
    return f"{per_second:+,.1f}/s", empty


class _Column(NamedTuple):
    """A column of the table of tasks; `wide`: only where there is room for it."""

    head: str
    cell: Callable[[TaskRow], str]
    wide: bool = False


_COLUMNS: Final = (
    _Column("WAITING", lambda task: show.number(task.jobs.waiting), wide=True),
    _Column("RUNNING", lambda task: show.number(task.jobs.running), wide=True),
    _Column("RUNS", lambda task: show.number(task.runs)),
    _Column("FAILED", lambda task: show.number(task.failures)),
    _Column("TIME\np50", lambda task: show.micros(task.time_p50_us)),
    _Column("\np95", lambda task: show.micros(task.time_p95_us)),
    _Column("PEAK\np50", lambda task: show.size(task.peak_p50)),
    _Column("\np95", lambda task: show.size(task.peak_p95)),
    _Column("\nmax", lambda task: show.size(task.peak_max)),
    _Column("KEPT\na run", lambda task: show.size(task.retained_per_run)),
    _Column("\nLIMIT", lambda task: show.size(task.limit)),
)


def _tasks(tasks: Sequence[TaskRow], rates: Rates | None, width: int, room: int | None) -> Iterator[RenderableType]:
    if not tasks:
        return
    shown = tasks if room is None else _busiest(tasks, max(1, room))
    columns = [column for column in _COLUMNS if width >= _WIDE or not column.wide]
    heads = [column.head for column in columns]
    rows = [[column.cell(task) for column in columns] for task in shown]
    if width >= _WIDE and rates is not None:
        heads.append("RUNS/s")
        rows = [[*row, f"{rates.runs.get(task.name, 0.0):,.1f}"] for row, task in zip(rows, shown, strict=True)]
    gap = 2 if width >= _WIDE else 1
    taken = sum(gap + max(map(len, (*head.split("\n"), *cells))) for head, *cells in zip(heads, *rows, strict=True))
    table = show.table("TASK", *heads, gap=gap)
    for task, row in zip(shown, rows, strict=True):
        table.add_row(show.tail(task.name, max(_SHORTEST_NAME, width - taken - gap)), *row)
    yield table
    if len(shown) < len(tasks):
        yield Text(f"and {len(tasks) - len(shown)} tasks with fewer runs: oakum status --once", _QUIET)


def _busiest(tasks: Sequence[TaskRow], most: int) -> Sequence[TaskRow]:
    """The tasks with the most runs, in the order of their names."""
    return sorted(sorted(tasks, key=lambda task: -task.runs)[:most], key=lambda task: task.name)


# -- lines -------------------------------------------------------------------------------------------------------------


def _flow(pieces: Iterable[Text], width: int) -> Text:
    """Pieces side by side, on a new line where one does not fit any more; none is broken."""
    lines, used = Text(), 0
    for piece in pieces:
        if used and used + 2 + piece.cell_len > width:
            lines.append("\n")
            used = 0
        elif used:
            lines.append("  ")
            used += 2
        lines.append_text(piece)
        used += piece.cell_len
    return lines


def _lines(above: Sequence[RenderableType], width: int) -> int:
    """How many lines these take."""
    from rich.console import Console

    return len(Console(width=width).render_lines(Group(*above), pad=False))
