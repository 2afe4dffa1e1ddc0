"""Python's own sqlite3 in the words of apsw, for programs whose own connections to the store's file come from it.

Versions of SQLite before 3.51.3 can destroy a file when a connection copies the log into it at the moment in which
another begins the log anew (https://sqlite.org/wal.html#walresetbug); the fault is in the one that copies. So none of
these connections does so by itself: the store does it while it keeps all writers out, and leaves the rest to workers.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final

import apsw

from oakum.errors import UsageError
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.library import BUSY_MS

_NEEDED: Final = (3, 35, 5)  # RETURNING
_SOUND: Final = (3, 51, 3)
_NEVER_COPY: Final = "PRAGMA wal_autocheckpoint = 0"
_LEGACY: Final = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, of Python 3.12


class Stdlib:
    """See `oakum.store.sqlite.library.Library`."""

    name, shared = "sqlite3", True

    def __init__(self) -> None:
        if sqlite3.sqlite_version_info < _NEEDED:
            raise UsageError(
                f"store: library=sqlite3: this Python's SQLite is {sqlite3.sqlite_version}, 3.35.5 is needed; leave the"
                " option out, or take a newer Python"
            )

    def open(self, path: str) -> Database:
        with _translated():
            return StdlibDatabase(_connect(path))

    def lend(self, connection: object) -> Database | None:
        if not isinstance(connection, sqlite3.Connection):
            return None
        if connection.text_factory is not str:
            raise UsageError("using(connection=...): its text_factory is not str; Oakum reads text from it")
        return LentDatabase(connection)


class StdlibDatabase:
    """See `oakum.store.sqlite.database.Database`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def filename(self) -> str:
        return self.execute("PRAGMA database_list").fetchone()[2] or ""

    @property
    def filename_wal(self) -> str:
        return f"{self.filename}-wal"

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        with _translated():
            return Rows(self._cursor().execute(sql, values))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        with _translated():
            self._cursor().executemany(sql, rows)

    def changes(self) -> int:
        return int(self.execute("SELECT changes()").fetchone()[0])

    def total_changes(self) -> int:
        return self._connection.total_changes

    def last_insert_rowid(self) -> int:
        return int(self.execute("SELECT last_insert_rowid()").fetchone()[0])

    def close(self) -> None:
        with _translated():
            self._connection.close()

    def __enter__(self) -> None:
        self.execute("SAVEPOINT oakum")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None, /
    ) -> None:
        if not self._connection.in_transaction:
            return  # the disk is full or fails, and SQLite has undone all of it
        if error is not None:
            self.execute("ROLLBACK TO oakum")
        self.execute("RELEASE oakum")

    def _cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None  # a caller may have one
        return cursor


class LentDatabase(StdlibDatabase):
    """A caller's connection."""

    @property
    def in_transaction(self) -> bool:
        """Whether one has begun, or would begin by itself before the next statement that writes."""
        legacy = getattr(self._connection, "autocommit", _LEGACY) == _LEGACY
        return super().in_transaction or (legacy and self._connection.isolation_level is not None)

    def __enter__(self) -> None:
        if sqlite3.sqlite_version_info < _SOUND:
            self.execute(_NEVER_COPY)
        if not super().in_transaction:
            self.execute("BEGIN IMMEDIATE")
        super().__enter__()


class Rows:
    """See `oakum.store.sqlite.database.Rows`."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def fetchall(self) -> list[Any]:
        with _translated():
            return self._cursor.fetchall()

    def fetchone(self) -> Any:
        with _translated():
            return self._cursor.fetchone()

    def __iter__(self) -> Rows:
        return self

    def __next__(self) -> Any:
        with _translated():
            return next(self._cursor)


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    connection.execute(_NEVER_COPY)
    return connection


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The module's errors as those of apsw, which all the store knows."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", apsw.SQLITE_MISUSE)  # what the module itself refuses has none
        raised = apsw.exception_for(code)
        raised.args = (str(error),)
        raise raised from error
