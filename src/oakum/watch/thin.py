"""Makes old samples coarser: a step's smallest, mean, largest and last figure in place of all of them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from oakum.watch.block import Block, OpenBlock, Rows
from oakum.watch.families import fold
from oakum.watch.history import UNKNOWN
from oakum.watch.tables import CHURN, PROCESSES, Column, Entity, Kind, Table

LARGEST_BLOCK: Final = 65_000  # samples: the longer a block the smaller, but it is held in memory while it is open


class _Step(NamedTuple):
    """The ticks from `first` up to `end` of a block become the tick `tick`."""

    tick: int
    first: int
    end: int


def thin(blocks: Iterable[Block], step_s: int) -> Iterator[OpenBlock]:
    """The same blocks with one sample a step. A process that lived within one step is counted as churn of its family."""
    thinned: OpenBlock | None = None
    for block in blocks:
        if thinned is None or thinned.boot_id != block.boot_id or thinned.samples() > LARGEST_BLOCK:
            if thinned is not None:
                yield thinned
            thinned = OpenBlock(block.boot_id, block.boot_started_s, step_s)
        thinned.notes += [note for note in block.notes if note not in thinned.notes]
        steps = list(_steps(block, thinned, step_s))
        for rows in block.tables:
            _thin_rows(rows, block, steps, thinned)
    if thinned is not None:
        yield thinned


def _steps(block: Block, thinned: OpenBlock, step_s: int) -> Iterator[_Step]:
    for _, ticks in groupby(range(len(block.times_s)), key=lambda tick: block.times_s[tick] // step_s):
        span = list(ticks)
        yield _Step(thinned.tick(block.times_s[span[-1]]), span[0], span[-1] + 1)


def _thin_rows(rows: Rows, block: Block, steps: Sequence[_Step], thinned: OpenBlock) -> None:
    recipe = list(_recipe(rows.table))
    table = Table(rows.table.name, rows.table.numbers, rows.table.labels, tuple(column for column, _, _ in recipe))
    passing = _passing(rows, len(block.times_s) - 1) if table.name == PROCESSES.name else set()
    for entity, run in rows.runs():
        if entity is None:
            continue
        ticks = rows.ticks[run]
        columns = [values[run] for values in rows.columns]
        cuts = [(step.tick, bisect_left(ticks, step.first), bisect_left(ticks, step.end)) for step in steps]
        cuts = [(tick, first, end) for tick, first, end in cuts if first < end]
        if len(cuts) == 1 and entity in passing:
            _count_churn(entity, cuts[0][0], max(columns[_largest_rss(rows.table)]), thinned)
            continue
        for tick, first, end in cuts:
            values = [
                _retext(_of_step(kind, columns[source][first:end]), kind, block, thinned) for _, kind, source in recipe
            ]
            thinned.table(table).add(tick, entity, values)


def _passing(rows: Rows, last_tick: int) -> set[Entity]:
    """The processes that began and ended inside the block, under one command line."""
    commands = Counter(entity.numbers[:2] for entity in rows.entities if entity is not None)
    return {
        entity
        for entity, run in rows.runs()
        if entity is not None
        and rows.ticks[run.start] > 0
        and rows.ticks[run.stop - 1] < last_tick
        and commands[entity.numbers[:2]] == 1
    }


def _largest_rss(table: Table) -> int:
    names = [column.name for column in table.columns]
    return names.index("rss.high") if "rss.high" in names else names.index("rss")


def _retext(value: int, kind: Kind, block: Block, thinned: OpenBlock) -> int:
    return thinned.text(block.texts[value]) if kind == "text" and value != UNKNOWN else value


def _recipe(table: Table) -> Iterator[tuple[Column, Kind, int]]:
    """The columns after thinning: each with the kind of its making and the column that it is made from."""
    names = {column.name for column in table.columns}
    for source, column in enumerate(table.columns):
        yield column, column.kind, source
        if column.kind == "gauge" and f"{column.name}.low" not in names:
            for kind in _COMPANIONS:
                yield Column(f"{column.name}.{kind}", kind, column.unit), kind, source


def _of_step(kind: Kind, values: list[int]) -> int:
    known = [value for value in values if value != UNKNOWN] if UNKNOWN in values else values
    return _MAKE[kind](known) if known else UNKNOWN


def _mean(values: list[int]) -> int:
    return sum(values) // len(values)


def _last(values: list[int]) -> int:
    return values[-1]


_COMPANIONS: Final[tuple[Kind, ...]] = ("low", "mean", "high")
_MAKE: Final[dict[Kind, Callable[[list[int]], int]]] = {
    "gauge": _last, "counter": _last, "code": _last, "text": _last,
    "low": min, "mean": _mean, "high": max, "sum": sum, "peak": max,
}  # fmt: skip


def _count_churn(process: Entity, tick: int, rss_high: int, thinned: OpenBlock) -> None:
    user, comm, args, _ = process.labels
    family = fold(args or comm)
    churn = thinned.table(CHURN)
    known = next((entity for entity in churn.entities if entity.labels[0] == family), None)
    churn.add(tick, known or Entity((), (family, args or comm, user)), (1, rss_high))
