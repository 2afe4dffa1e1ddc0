"""A block of samples in memory: open while it is recorded, closed when it was read back."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from oakum.watch.tables import Entity, Kind, Table

_TYPECODES: Final[dict[Kind, str]] = {"code": "b", "text": "i"}


class OpenTable:
    """Samples of one table, in the order of their recording."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.entities: dict[Entity, int] = {}
        self.ids: array[int] = array("I")
        self.ticks: array[int] = array("I")
        self.columns: list[array[int]] = [array(_TYPECODES.get(column.kind, "q")) for column in table.columns]

    def add(self, tick: int, entity: Entity, values: Sequence[int]) -> None:
        """One sample: a value for every column, UNKNOWN where it is not known."""
        self.ids.append(self.entities.setdefault(entity, len(self.entities)))
        self.ticks.append(tick)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def extend(self, ticks: Sequence[int], entities: Sequence[Entity], columns: Sequence[Sequence[int]]) -> None:
        """Many samples at once; those of one entity in order of time."""
        known = self.entities
        self.ids.extend([known.setdefault(entity, len(known)) for entity in entities])
        self.ticks.extend(ticks)
        for column, values in zip(self.columns, columns, strict=True):
            column.extend(values)


class OpenBlock:
    """The block that is being recorded: one boot, one step, ticks in order of time."""

    def __init__(self, boot_id: str, boot_started_s: float, step_s: int) -> None:
        self.boot_id = boot_id
        self.boot_started_s = boot_started_s
        self.step_s = step_s
        self.times_ms: list[int] = []
        self.tables: dict[str, OpenTable] = {}
        self.texts: dict[str, int] = {}
        self.notes: list[str] = []

    def tick(self, time_s: float) -> int:
        """Begins the next tick and returns its number. Times must ascend."""
        self.times_ms.append(round(time_s * 1000))
        return self.newest

    @property
    def newest(self) -> int:
        """The number of the tick that was begun last."""
        return len(self.times_ms) - 1

    def table(self, table: Table) -> OpenTable:
        """Where this table's samples go."""
        if table.name not in self.tables:
            self.tables[table.name] = OpenTable(table)
        return self.tables[table.name]

    def text(self, name: str) -> int:
        """The figure that stands for a name in a column of kind "text"."""
        return self.texts.setdefault(name, len(self.texts))

    def samples(self) -> int:
        """How many samples it holds, of all tables."""
        return sum(len(table.ids) for table in self.tables.values())


@dataclass(slots=True)
class Rows:
    """Samples of one table, read back: those of `entities[0]` first, `counts[0]` of them, in order of time.

    `column(name)` unpacks one column, so that what is not asked for costs nothing.
    """

    table: Table
    entities: list[Entity | None]  # None: its name was in a block that is damaged
    counts: list[int]
    ticks: list[int]
    column: Callable[[str], list[int]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.table.columns)

    def runs(self) -> Iterator[tuple[Entity | None, slice]]:
        """Each entity with the slice of its samples."""
        start = 0
        for entity, count in zip(self.entities, self.counts, strict=True):
            yield entity, slice(start, start + count)
            start += count


@dataclass(slots=True)
class Block:
    """A block read back. Columns of kind "text" hold indices of `texts`, which belongs to the whole file."""

    boot_id: str
    boot_started_s: float
    step_s: int
    times_s: list[float]
    tables: list[Rows]
    texts: list[str]
    notes: list[str]
