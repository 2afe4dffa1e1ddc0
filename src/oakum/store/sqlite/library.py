"""The SQLite libraries with which a process may open the store: apsw's own, or the one of Python's sqlite3.

Never both: SQLite keeps its locks by process and file, so that one library's closing the file takes the other's away.
"""

from __future__ import annotations

from typing import Final, Protocol

import apsw

from oakum.store.sqlite.database import Database

LOG_LIMIT: Final = 64 * 1024 * 1024  # bytes to which a long log is cut when it is begun anew
_CHECKPOINT_PAGES: Final = 4_000


class Library(Protocol):
    """Where this process's connections to the store come from."""

    @property
    def name(self) -> str:
        """What the URL's option `library` calls it."""

    @property
    def shortens(self) -> bool:
        """Whether its connections copy a long log into the file by themselves, as they commit."""

    def open(self, path: str) -> Database:
        """A connection of the store's own."""

    def lend(self, connection: object) -> Database | None:
        """A caller's connection, None when it is not one of this library's."""


class Apsw:
    """The library of each process by default. It is younger than 3.51.3, and so may copy the log when it likes."""

    name, shortens = "apsw", True

    def open(self, path: str) -> Database:
        db = apsw.Connection(path)
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return db

    def lend(self, connection: object) -> Database | None:
        return connection if isinstance(connection, apsw.Connection) else None
