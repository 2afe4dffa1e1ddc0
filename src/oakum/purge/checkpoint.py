"""Moves SQLite's write-ahead log into the database and to the disk between two batches, while other writers are let in."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

# Of locks held: one or two thousand pages of the log, the size at which SQLite does it itself.
_EVERY_SECONDS: Final = 0.05
_NORMAL: Final = 1  # of PRAGMA synchronous: with a write-ahead log a checkpoint waits for the disk, a commit does not

Query = Callable[[str], Any]  # runs a statement: its first value, None where it has none


def through(cursor: Callable[[], Any]) -> Query:
    """Statements through a DB-API connection, of which `cursor` opens a cursor."""

    def query(sql: str) -> Any:
        with closing(cursor()) as opened:
            opened.execute(sql)
            return next(iter(opened.fetchone() or ()), None)

    return query


class Checkpoints:
    """Takes the checkpoints of one connection, and its waits for the disk, out of its commits.

    SQLite waits for the disk in each commit, and makes a checkpoint in the one that finds a thousand pages in the log, after
    it has let other writers in. Together they take a third of a large purge; the wait is a part of the lock, and a checkpoint
    can't be told from it, by which batches and pauses are measured. A power cut may bring back the rows of the batches since
    the last checkpoint, and never leaves half of a batch; after `close` all are gone for good.

    A connection without a write-ahead log, or whose owner has turned checkpoints off, is left as it is.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._held = 0.0
        self._pages = int(query("PRAGMA wal_autocheckpoint")) if query("PRAGMA journal_mode") == "wal" else 0
        self._synchronous = int(query("PRAGMA synchronous"))
        if self._pages:
            query("PRAGMA wal_autocheckpoint = 0")
            query(f"PRAGMA synchronous = {min(self._synchronous, _NORMAL):d}")

    def after(self, held: float) -> None:
        """Makes one if it is time, after a batch that held its lock for `held` seconds."""
        self._held += held
        if self._pages and self._held >= _EVERY_SECONDS:
            self._query("PRAGMA wal_checkpoint(PASSIVE)")
            self._held = 0.0

    def close(self) -> None:
        """Brings what was committed to the disk and leaves the connection as it was."""
        if not self._pages:
            return
        self._query(f"PRAGMA synchronous = {self._synchronous:d}")
        self._query(f"PRAGMA wal_autocheckpoint = {self._pages:d}")
        if self._synchronous > _NORMAL:
            _sync(self._query("SELECT file FROM pragma_database_list WHERE name = 'main'") + "-wal")


def _sync(log: str) -> None:
    """Waits until the file `log` is on the disk. SQLite keeps no locks on a log, which closing it here would drop."""
    try:
        fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # who closed the database in between has brought all of it into the file
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
