"""The SQLite libraries with which a process may open the store: apsw's own, or the one of Python's sqlite3.

Never both: SQLite keeps its locks by process and file, so that one library's closing the file takes the other's away.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

import apsw

from oakum.store.sqlite.database import Database

BUSY_MS: Final = 10_000  # only callers and foreign tools are waited for so: Oakum's own writers queue at the turnstile
_CHECKPOINT_PAGES: Final = 4_000


class Library(Protocol):
    """Where this process's connections to the store come from."""

    @property
    def name(self) -> str:
        """What the URL's option `library` calls it."""

    @property
    def shared(self) -> bool:
        """Whether the store may be made in a file that has tables already: the program's own."""

    def open(self, path: str) -> Database:
        """A connection of the store's own, which waits up to ten seconds for callers and foreign tools that write."""

    def lend(self, connection: object) -> Database | None:
        """A caller's connection, None when it is not one of this library's."""


class Apsw:
    """The library of each process by default. It is younger than 3.51.3, and so may copy the log when it likes."""

    name = "apsw"

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared

    def open(self, path: str) -> Database:
        db = apsw.Connection(path)
        db.set_busy_handler(_wait)
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return db

    def lend(self, connection: object) -> Database | None:
        return connection if isinstance(connection, apsw.Connection) else None


def _wait(tries: int) -> bool:
    """SQLite's own waiting sleeps ever longer, and hardly ever gets in between callers whose transactions follow one another."""
    time.sleep(0.001)
    return tries < BUSY_MS
