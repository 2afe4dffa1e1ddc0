"""Makes old samples coarser: a step's smallest, mean, largest and last figure in place of all of them. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from oakum.watch.block import Block, OpenBlock, Rows
from oakum.watch.families import fold
from oakum.watch.tables import CHURN, PROCESSES, UNKNOWN, Column, Entity, Kind, Table

_LARGEST_BLOCK: Final = 8_000  # samples; thinned ones are three times as wide as others


class _Step(NamedTuple):
    """What becomes the tick `tick`: the ticks of a block, or the places in its columns, from `first` up to `end`."""

    tick: int
    first: int
    end: int


def thin(blocks: Iterable[Block], step_s: int) -> Iterator[OpenBlock]:
    """The same blocks with one sample a step. A process that lived within one step is counted as churn of its family."""
    thinned: OpenBlock | None = None
    for block in blocks:
        if thinned is None or thinned.boot_id != block.boot_id or thinned.samples() > _LARGEST_BLOCK:
            if thinned is not None:
                yield thinned
            thinned = OpenBlock(block.boot_id, block.boot_started_s, step_s)
        thinned.notes += [note for note in block.notes if note not in thinned.notes]
        steps = list(_steps(block, thinned, step_s))
        churn = _Churn()
        for rows in block.tables:
            if rows.table.name == CHURN.name:
                churn.take_over(rows, steps)
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
    """Works by columns: one of them at a time is unpacked."""
    entities: list[Entity] = []
    cuts: list[_Step] = []
    passing = _passing(rows, len(block.times_s) - 1) if rows.table.name == PROCESSES.name else set()
    rss = rows.column("rss.high" if "rss.high" in rows.names else "rss") if passing else []
    for entity, run in rows.runs():
        if entity is None:
            continue
        mine = list(_cuts(rows.ticks, run, steps))
        if len(mine) == 1 and entity in passing:
            churn.count(mine[0].tick, _family(entity), 1, max(rss[run]))
        else:
            entities += [entity] * len(mine)
            cuts += mine
    recipe = list(_recipe(rows.table))
    table = Table(rows.table.name, rows.table.numbers, rows.table.labels, tuple(column for column, _, _ in recipe))
    columns = [_thin_column(rows, source, kind, cuts, block, thinned) for _, kind, source in recipe]
    thinned.table(table).extend([cut.tick for cut in cuts], entities, columns)


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


def _family(process: Entity) -> tuple[str, str, str]:
    user, comm, args, _ = process.labels
    return fold(args or comm), args or comm, user


def _cuts(ticks: list[int], run: slice, steps: Sequence[_Step]) -> Iterator[_Step]:
    """The steps of which a run has samples, as places in its columns."""
    first = run.start
    while first < run.stop:
        step = steps[bisect_right(steps, ticks[first], key=lambda step: step.first) - 1]
        end = bisect_left(ticks, step.end, first, run.stop)
        yield _Step(step.tick, first, end)
        first = end


def _recipe(table: Table) -> Iterator[tuple[Column, Kind, str]]:
    """The columns after thinning: each with the kind of its making and the column that it is made from."""
    names = {column.name for column in table.columns}
    for column in table.columns:
        yield column, column.kind, column.name
        if column.kind == "gauge" and f"{column.name}.low" not in names:
            for kind in _BESIDE:
                yield Column(f"{column.name}.{kind}", kind, column.unit), kind, column.name


def _thin_column(rows: Rows, name: str, kind: Kind, cuts: list[_Step], block: Block, thinned: OpenBlock) -> list[int]:
    values, make = rows.column(name), _MAKE[kind]
    made = []
    for _, first, end in cuts:
        known = [value for value in values[first:end] if value != UNKNOWN]
        made.append(make(known) if known else UNKNOWN)
    if kind == "text":
        return [UNKNOWN if text == UNKNOWN else thinned.text(block.texts[text]) for text in made]
    return made


def _mean(values: list[int]) -> int:
    return sum(values) // len(values)


def _last(values: list[int]) -> int:
    return values[-1]


_BESIDE: Final[tuple[Kind, ...]] = ("low", "mean", "high")
_MAKE: Final[dict[Kind, Callable[[list[int]], int]]] = {
    "gauge": _last, "counter": _last, "code": _last, "text": _last,
    "low": min, "mean": _mean, "high": max, "sum": sum, "peak": max,
}  # fmt: skip


class _Churn:
    """Counts, for each step and family, the processes that lived within it."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str], tuple[int, int]] = {}  # (tick, family) -> (how many, largest rss)
        self._entities: dict[str, Entity] = {}

    def count(self, tick: int, labels: tuple[str, ...], count: int, rss_high: int) -> None:
        """`labels` are a family, an example of it and its user; the first example is kept."""
        family = labels[0]
        self._entities.setdefault(family, Entity((), labels))
        before, highest = self._counts.get((tick, family), (0, UNKNOWN))
        self._counts[tick, family] = before + count, max(highest, rss_high)

    def take_over(self, rows: Rows, steps: Sequence[_Step]) -> None:
        """What an earlier thinning had counted."""
        counts, highest = rows.column("count"), rows.column("rss_high")
        for entity, run in rows.runs():
            if entity is not None:
                for tick, first, end in _cuts(rows.ticks, run, steps):
                    self.count(tick, entity.labels, sum(counts[first:end]), max(highest[first:end]))

    def write(self, thinned: OpenBlock) -> None:
        """Adds what was counted, in order of time."""
        table = thinned.table(CHURN)
        known = {entity.labels[0]: entity for entity in table.entities}
        for (tick, family), figures in sorted(self._counts.items()):
            table.add(tick, known.get(family, self._entities[family]), figures)
