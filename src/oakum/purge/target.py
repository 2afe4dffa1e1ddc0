"""What a purge works on: something that can be counted and deleted batch by batch."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Batch(NamedTuple):
    """One batch: `rows` that it deleted, seconds that it held its locks, bytes that it freed (files only).

    `shuts_out`: the locks kept every other writer waiting, whatever it wanted to write. `free`: seconds since they were
    given back, in which the purge had something else to do.
    """

    rows: int
    locked: float
    freed: int = 0
    shuts_out: bool = False
    free: float = 0.0


class Target(Protocol):
    """Rows, files or keys to delete. `label` names the thing, `unit` what it is made of ("rows", "files", "keys")."""

    @property
    def label(self) -> str: ...
    @property
    def unit(self) -> str: ...

    def count(self) -> int:
        """How many there are to delete: exact, reads only."""

    def delete(self, size: int) -> Batch | None:
        """Deletes the next `size` in one transaction; None when none is left. Raises Contended or DiskFull."""


class Contended(Exception):
    """The batch was undone because somebody else held a lock: it may be tried again."""


class DiskFull(Exception):
    """The batch was undone because there was no room to write."""
