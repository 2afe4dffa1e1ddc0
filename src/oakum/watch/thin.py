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

LARGEST_BLOCK: Final = 50_000  # samples: the longer a block the smaller, but it is held in memory while it is open


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
        churn = _Churn(steps)
        for rows in block.tables:
            if rows.table.name == CHURN.name:
                churn.take_over(rows)
            else:
                _thin_rows(rows, block, steps, thinned, churn)
        churn.write(thinned)
    if thinned is not None:
        yield thinned


def _steps(block: Block, thinned: OpenBlock, step_s: int) -> Iterator[_Step]:
    for _, ticks in groupby(range(len(block.times_s)), key=lambda tick: block.times_s[tick] // step_s):
        span = list(ticks)
        yield _Step(thinned.tick(block.times_s[span[-1]]), span[0], span[-1] + 1)


def _thin_rows(rows: Rows, block: Block, steps: Sequence[_Step], thinned: OpenBlock, churn: _Churn) -> None:
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
            user, comm, args, _ = entity.labels
            churn.count(cuts[0][0], (fold(args or comm), args or comm, user), 1, max(columns[_largest_rss(rows.table)]))
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


class _Churn:
    """Counts, for each step and family, the processes that lived within it."""

    def __init__(self, steps: Sequence[_Step]) -> None:
        self._steps = steps
        self._counts: dict[tuple[int, str], tuple[int, int]] = {}  # (tick, family) -> (how many, largest rss)
        self._entities: dict[str, Entity] = {}

    def count(self, tick: int, labels: tuple[str, str, str], count: int, rss_high: int) -> None:
        """`labels` are a family, an example of it and its user; the first example is kept."""
        family = labels[0]
        self._entities.setdefault(family, Entity((), labels))
        before, highest = self._counts.get((tick, family), (0, UNKNOWN))
        self._counts[tick, family] = before + count, max(highest, rss_high)

    def take_over(self, rows: Rows) -> None:
        """What an earlier thinning had counted."""
        columns = {column.name: values for column, values in zip(rows.table.columns, rows.columns, strict=True)}
        for entity, run in rows.runs():
            if entity is not None:
                family, example, user = entity.labels
                for tick, count, rss_high in zip(
                    rows.ticks[run], columns["count"][run], columns["rss_high"][run], strict=True
                ):
                    step = next(step for step in self._steps if step.first <= tick < step.end)
                    self.count(step.tick, (family, example, user), count, rss_high)

    def write(self, thinned: OpenBlock) -> None:
        """Adds what was counted, in order of time."""
        table = thinned.table(CHURN)
        known = {entity.labels[0]: entity for entity in table.entities}
        for (tick, family), figures in sorted(self._counts.items()):
            table.add(tick, known.get(family, self._entities[family]), figures)
