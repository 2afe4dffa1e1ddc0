"""What a recorder asks: the seam for whatever is worth recording beside processes (queues, database connections)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from oakum.watch.tables import Entity, Table


class Reading(NamedTuple):
    """One look at the things of one table. `columns` stand in the table's order, each as long as `entities`.

    Figures are in what their column's name says, UNKNOWN where not known. Columns of kind "text" hold strings, "" where
    not known.
    """

    table: Table
    entities: Sequence[Entity]
    columns: Sequence[Sequence[int] | Sequence[str]]


class Probe(Protocol):
    """Looks at one kind of thing at every tick. It is called often, so it is cheap; it may raise: that is noted."""

    def read(self, now_s: float) -> Iterable[Reading]:
        """What there is now. `now_s`: seconds since 1970."""
        ...

    def notes(self) -> Iterable[str]:
        """What it could not see, in sentences for the reader of the report."""
        ...
