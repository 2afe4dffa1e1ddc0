"""Moves SQLite's write-ahead log into the database between two batches, while other writers are let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_EVERY_SECONDS: Final = (
    0.05  # of locks held: one or two thousand pages of the log, the size at which SQLite does it itself
)

Query = Callable[[str], Any]  # runs a statement: its first value


class Checkpoints:
    """Takes the checkpoints of one connection out of its commits.

    SQLite makes one in the commit that finds a thousand pages in the log, after it has let other writers in. It takes a
    third of a large purge, and can't be told from the lock, by which batches and pauses are measured. A connection whose
    owner has turned checkpoints off is left as it is.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._pages = int(query("PRAGMA wal_autocheckpoint"))
        self._held = 0.0
        if self._pages:
            query("PRAGMA wal_autocheckpoint = 0")

    def after(self, held: float) -> None:
        """Makes one if it is time, after a batch that held its lock for `held` seconds."""
        self._held += held
        if self._pages and self._held >= _EVERY_SECONDS:
            self._query("PRAGMA wal_checkpoint(PASSIVE)")
            self._held = 0.0

    def close(self) -> None:
        """Leaves the connection as it was."""
        self._query(f"PRAGMA wal_autocheckpoint = {self._pages:d}")
