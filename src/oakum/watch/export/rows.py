"""The samples of one table as plain rows, block by block, in order of time: what CSV and Parquet are written from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oakum.errors import UsageError
from oakum.watch.block import Block, Rows
from oakum.watch.load import read_blocks
from oakum.watch.tables import PROCESSES, UNKNOWN, Column, Entity, Table

Cell = str | int | float | None

_BEFORE: Final = ("time_s", "step_s", "boot")


@dataclass(frozen=True, slots=True)
class Window:
    """Which archive, which table, from when to when (seconds since 1970)."""

    directory: str
    table: str = PROCESSES.name
    since_s: float = 0.0
    until_s: float = float("inf")


class TableRows:
    """One table of an archive. `names` are the columns of the rows, the same for all of them.

    Raises UsageError for a table that the window does not hold, CannotRun where there is no archive.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        columns: dict[str, Column] = {}
        tables: dict[str, Table] = {}
        for block in self._blocks():
            for rows in block.tables:
                tables.setdefault(rows.table.name, rows.table)
                if rows.table.name == window.table:
                    columns.update((column.name, column) for column in rows.table.columns)
        if window.table not in tables:
            there = ", ".join(sorted(tables)) or "nothing"
            raise UsageError(f"--table {window.table}: not among what was recorded then ({there})")
        table = tables[window.table]
        self.numbers, self.labels, self.columns = table.numbers, table.labels, tuple(columns.values())
        self.names = (*_BEFORE, *table.numbers, *table.labels, *columns)

    def batches(self) -> Iterator[list[list[Cell]]]:
        """The rows of a block at a time, as columns in the order of `names`; None where a figure was not known."""
        newest_s = 0.0
        for block in self._blocks():
            if block.times_s[-1] <= newest_s:
                continue  # the open block, sealed while this was read
            newest_s = block.times_s[-1]
            for rows in block.tables:
                if rows.table.name == self._window.table:
                    yield self._batch(block, rows)

    def _blocks(self) -> Iterator[Block]:
        return read_blocks(self._window.directory, self._window.since_s, self._window.until_s, [])

    def _batch(self, block: Block, rows: Rows) -> list[list[Cell]]:
        entities = [entity or self._lost() for entity, run in rows.runs() for _ in range(run.start, run.stop)]
        times = [block.times_s[tick] for tick in rows.ticks]
        order = [
            index
            for index in sorted(range(len(times)), key=times.__getitem__)
            if self._window.since_s <= times[index] <= self._window.until_s
        ]
        batch: list[list[Cell]] = [
            [times[index] for index in order],
            [block.step_s] * len(order),
            [block.boot_id] * len(order),
        ]
        batch += [[entities[index].numbers[place] for index in order] for place in range(len(self.numbers))]
        batch += [[entities[index].labels[place] for index in order] for place in range(len(self.labels))]
        for column in self.columns:
            there = column.name in rows.names
            batch.append(_cells(column, rows.column(column.name), order, block.texts) if there else [None] * len(order))
        return batch

    def _lost(self) -> Entity:
        """What stands for a thing whose name was in a block that is damaged."""
        return Entity((UNKNOWN,) * len(self.numbers), ("?",) * len(self.labels))


def _cells(column: Column, values: list[int], order: list[int], texts: list[str]) -> list[Cell]:
    if column.kind == "text":
        return [None if values[index] == UNKNOWN else texts[values[index]] for index in order]
    if column.kind == "code":
        return [None if values[index] == UNKNOWN else chr(values[index]) for index in order]
    return [None if values[index] == UNKNOWN else values[index] for index in order]
