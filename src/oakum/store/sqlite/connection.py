"""One process's connection to the file: opened late, never carried across a fork, one writer at a time, fair to others."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import apsw

from oakum.errors import NotAStore, StoreError, StoreFull
from oakum.store.sqlite import schema
from oakum.store.sqlite.bell import BellTower

Sync = Literal["FULL", "NORMAL"]

_BUSY_MS: Final = 10_000  # only foreign tools are waited for here: Oakum's own writers queue at the lock file
_CHECKPOINT_PAGES: Final = 4_000
_WAL_LIMIT: Final = 64 * 1024 * 1024
_FULL: Final = "the disk is full; free some room there, nothing was lost"
_LEAKED: Final[list[Any]] = []
"""Connections that a fork carried into this process: closing one would drop the parent's locks, so they are kept."""


class Connection:
    """The file, its directory of locks and bells, and the one connection of this process."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.directory = f"{self.path}-oakum"
        self._lock = threading.RLock()
        self._pid = -1
        self._sync: Sync = "FULL"
        self._db: apsw.Connection
        self._turn = self._hold = -1
        self._tower: BellTower

    def ready(self) -> apsw.Connection:
        """The connection of this very process; the caller holds `lock()`."""
        if self._pid != os.getpid():
            self._open()
        return self._db

    @property
    def tower(self) -> BellTower:
        """The bells of this file."""
        with self._lock:
            self.ready()
            return self._tower

    @contextlib.contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """The connection, for short reads."""
        with self._lock, translated(self.path):
            yield self.ready()

    @contextlib.contextmanager
    def write(self, sync: Sync) -> Iterator[apsw.Connection]:
        """A write transaction: committed at the end, rolled back on any exception.

        With "FULL" the commit is on the disk when it returns; with "NORMAL" it survives this process but not a power cut.
        """
        with self._lock, translated(self.path):
            db = self.ready()
            self._acquire()
            try:
                if sync != self._sync:
                    db.execute(f"PRAGMA synchronous = {sync}")
                    self._sync = sync
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            finally:
                fcntl.flock(self._hold, fcntl.LOCK_UN)

    def reopen(self) -> None:
        """Drops the connection after an input/output error, whose outcome only a fresh one can tell."""
        with self._lock:
            self.close()

    def close(self) -> None:
        """Closes what this process opened."""
        with self._lock:
            if self._pid == os.getpid():
                self._db.close()
                os.close(self._turn)
                os.close(self._hold)
                self._tower.close()
            self._pid = -1

    def _acquire(self) -> None:
        # Two locks make a turnstile: whoever waits for `hold` keeps the others, a busy worker among them, behind `turn`.
        # SQLite's own waiting sleeps and retries, and a producer beside a saturated worker would starve.
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._hold, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _open(self) -> None:
        if self._pid != -1:  # a fork brought us here
            _LEAKED.append((self._db, self._tower))
            self._lock = threading.RLock()
        with translated(self.path):
            db = apsw.Connection(self.path)
            try:
                db.set_busy_timeout(_BUSY_MS)
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
                db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
                self._make_directory()
                self._turn, self._hold = self._lock_file("turn"), self._lock_file("hold")
                if not schema.is_current(db):
                    self._migrate(db)
            except BaseException:
                db.close()
                raise
        self._db, self._sync, self._pid = db, "FULL", os.getpid()
        self._tower = BellTower(self.directory)

    def _migrate(self, db: apsw.Connection) -> None:
        self._acquire()
        try:
            db.execute("BEGIN IMMEDIATE")
            schema.migrate(db, self.path)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        finally:
            fcntl.flock(self._hold, fcntl.LOCK_UN)

    def _make_directory(self) -> None:
        # Whoever may write the database may lock and ring; nobody else may.
        mode = stat.S_IMODE(os.stat(self.path).st_mode)
        wanted = 0o700 | (0o070 if mode & 0o020 else 0) | (0o007 if mode & 0o002 else 0)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.directory)
            os.chmod(self.directory, wanted)

    def _lock_file(self, name: str) -> int:
        mode = stat.S_IMODE(os.stat(self.path).st_mode) & 0o666
        fd = os.open(os.path.join(self.directory, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        if os.fstat(fd).st_uid == os.geteuid():
            os.fchmod(fd, mode)
        return fd


def fetch_all(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows of a query. Their columns are Any: the SQL beside the call is their type."""
    return db.execute(sql, values).fetchall()


def fetch_one(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> Any:
    """The first row of a query, None when there is none."""
    return db.execute(sql, values).fetchone()


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """SQLite's errors in Oakum's words: what, where, the remedy."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreFull(f"{path}: {_FULL}") from error
    except apsw.IOError as error:
        if error.extendedresult == apsw.SQLITE_IOERR_SHMSIZE:  # no room for the index of the log
            raise StoreFull(f"{path}: {_FULL}") from error
        raise StoreError(f"{path}: {type(error).__name__}: {error}") from error
    except apsw.NotADBError as error:
        raise NotAStore(f"{path}: this file is not a SQLite database; give the store a file of its own") from error
    except apsw.CorruptError as error:
        raise StoreError(f"{path}: the database is damaged ({error}); restore it from a backup") from error
    except apsw.CantOpenError as error:
        raise StoreError(
            f"{path}: cannot open it ({error}); check that the directory exists and may be written"
        ) from error
    except apsw.ReadOnlyError as error:
        raise StoreError(
            f"{path}: it may only be read; give this user write access to the file and its directory"
        ) from error
    except apsw.BusyError as error:
        raise StoreError(f"{path}: another program holds its lock; find it with `fuser {path}`") from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {type(error).__name__}: {error}") from error
