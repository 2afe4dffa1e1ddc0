"""One process's connection to the file: opened late, closed before a fork, one writer at a time, fair to others."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal

import apsw

from oakum.errors import StoreError, StoreFull
from oakum.store.group import Undecided
from oakum.store.sqlite import schema
from oakum.store.sqlite.ballast import Ballast
from oakum.store.sqlite.bell import BellTower
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.directory import Directory
from oakum.store.sqlite.filesystem import refuse_network
from oakum.store.sqlite.library import BUSY_MS, Apsw, Library
from oakum.store.sqlite.log import LOG_LIMIT, Log
from oakum.store.sqlite.trouble import translated
from oakum.store.sqlite.turnstile import Turnstile

Sync = Literal["FULL", "NORMAL"]
PROMISE: Final = (
    "SQLite, WAL, on the disk before it is acknowledged: nothing of that is lost by SIGKILL or power loss"
    " (claims and renewals may be: they are void after a reboot)"
)


class Connection:
    """The file, the directory beside it, and the one connection of this process. Closed, it opens again when it is used."""

    def __init__(self, path: str, library: Library | None = None) -> None:
        self.path = os.path.abspath(path)
        self.library = library if library is not None else Apsw()
        self.directory = Directory(self.path)
        self.ballast = Ballast(self.directory)
        self.sparing = False
        self._lock = threading.RLock()
        self._db: Database | None = None
        self._pid = 0
        self._sync: Sync = "FULL"
        self._turnstile: Turnstile
        self._log: Log
        self._shortening = threading.Thread()
        self._tower: BellTower | None = None

    @property
    def tower(self) -> BellTower:
        """The bells of this file."""
        tower = self._tower
        if tower is not None:  # without the lock: to ring after a commit is not to wait for the next one
            return tower
        with self._lock, translated(self.path):
            if self._tower is None:
                self._ready()
                self._tower = BellTower(self.directory)
            return self._tower

    def make(self) -> None:
        """Makes the file and its tables, if this process has not seen that they are there.

        Else it takes no lock: a caller who is in a transaction must not wait for a thread that waits for his end.
        """
        if self._db is None:
            with self.read():
                pass

    @contextlib.contextmanager
    def read(self) -> Iterator[Database]:
        """The connection, for short reads."""
        with self._lock, translated(self.path):
            yield self._ready()

    @contextlib.contextmanager
    def write(self, sync: Sync) -> Iterator[Database]:
        """A write transaction: committed at the end, rolled back on any exception.

        With "FULL" the commit is on the disk before anybody sees it; with "NORMAL" it survives this process but not a
        power cut, unless `flush` comes after it. Raises Undecided when the disk fails in the commit.
        """
        with self._lock, translated(self.path):
            db = self._ready()
            try:
                with self._turnstile:
                    if sync != self._sync:
                        db.execute(f"PRAGMA synchronous = {sync}")
                        self._sync = sync
                    db.execute("BEGIN IMMEDIATE")
                    try:
                        yield db
                        self._commit(db)
                    finally:
                        if db.in_transaction:
                            with contextlib.suppress(apsw.Error):
                                db.execute("ROLLBACK")
            except (Undecided, apsw.IOError):
                self.rest()  # what this connection believes of the file is no longer to be trusted
                raise

    @contextlib.contextmanager
    def look(self) -> Iterator[apsw.Connection]:
        """A connection of its own that changes nothing, to a file that is there. Raises StoreTooNew, or NotAStore."""
        with translated(self.path):
            with contextlib.closing(apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READONLY)) as db:
                db.set_busy_timeout(BUSY_MS)
                schema.check(db, self.path, shared=self.library.shared)
                yield db

    def flush(self) -> None:
        """Waits until the disk has all that was committed, by whomever. Raises Undecided when it fails in that."""
        with self._lock, translated(self.path):
            db = self._ready()
            try:
                self._log.flush(partial(self._copy_log, db))
            except (apsw.Error, OSError) as error:
                raise Undecided(f"{self.path}: the disk failed after a commit ({error})") from error
            self.keep_log_short()

    @contextlib.contextmanager
    def alone(self) -> Iterator[Database]:
        """The connection, while nobody else writes: for what SQLite does outside of transactions."""
        with self._lock, translated(self.path):
            db = self._ready()
            with self._turnstile:
                yield db

    def _commit(self, db: Database) -> None:
        try:
            db.execute("COMMIT")
        except apsw.IOError as error:
            raise Undecided(f"{self.path}: the disk failed in a commit ({error})") from error

    def spare(self) -> None:
        """The disk is full: gives up the ballast, and from now on lets the log take no more room than it has to."""
        self.ballast.give_up()
        self.sparing = True
        self._restart_log()

    def recover(self) -> None:
        """Goes on as ever, if there is room for the ballast again."""
        self._restart_log()
        self.sparing = not self.ballast.keep()

    def keep_log_short(self) -> None:
        """Has a long log begun anew, if that can be done now.

        apsw copies it with its commits, but never all of it as long as callers' transactions follow one another; sqlite3
        does not.
        """
        with self._lock, contextlib.suppress(StoreError):
            if self._db is not None and self._log.is_long():
                self._restart_log()

    def keep_log_short_later(self) -> None:
        """The same after the end of the caller's transaction, in the midst of which this is: a thread waits for it."""
        if self._log.is_long() and not self._shortening.is_alive():
            self._shortening = threading.Thread(target=self.keep_log_short, daemon=True)
            self._shortening.start()

    def _restart_log(self) -> None:
        """Moves the log into the file where it can, so that the next writes take its place on the disk instead of more."""
        with self._lock, translated(self.path), contextlib.suppress(apsw.Error):
            self._copy_log(self._ready())

    def _copy_log(self, db: Database) -> tuple[int, int]:
        """Copies the log into the file; its pages, and how many of them are copied: all that nobody reads the past of.

        Meanwhile nobody writes: else it would never be all, and a SQLite before 3.51.3 could destroy the file, see `stdlib`.
        """
        with self._turnstile, contextlib.closing(self.library.open(self.path)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            _, pages, copied = fetch_one(db, "PRAGMA wal_checkpoint(PASSIVE)")
            return pages, copied

    def before_fork(self) -> None:
        """Lets go of all that two processes must not share, until `after_fork`.

        SQLite keeps its locks by process and file: a connection opened beside an inherited one would take none, and
        what it commits would be lost when the parent's closes.
        """
        self._lock.acquire()
        self.rest()

    def after_fork(self) -> None:
        """Goes on in the parent, and afresh in the child."""
        self._lock.release()

    def rest(self) -> None:
        """Closes the file, but not the bells."""
        with self._lock:
            if self._db is not None:
                self._log.close()
                self._db.close()
                self._db = None
                self._turnstile.close()

    def close(self) -> None:
        """Closes the file and ends the bells."""
        with self._lock:
            self.rest()
            if self._tower is not None:
                self._tower.close()
                self._tower = None

    def _ready(self) -> Database:
        if self._db is None:
            try:
                self._db = self._open()
            except StoreFull:  # even an open file needs some room beside it
                self.ballast.give_up()
                self.sparing = True
                self._db = self._open()
        elif self._pid != os.getpid():
            raise StoreError(
                f"{self.path}: this process was forked, not by Python, while the store was open; close it before the fork"
            )
        return self._db

    def _open(self) -> Database:
        refuse_network(self.path)
        with translated(self.path), contextlib.ExitStack() as undo:
            db = self.library.open(self.path)
            undo.callback(db.close)
            schema.check(
                db, self.path, shared=self.library.shared
            )  # somebody else's file is refused before anything is made beside it
            self.directory.make()
            turnstile = Turnstile(self.directory)
            undo.callback(turnstile.close)
            if not schema.is_current(db):
                with turnstile:
                    schema.migrate(db, self.path, shared=self.library.shared)
            db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
            db.execute("PRAGMA synchronous = FULL")
            log = Log(db.filename_wal)
            undo.pop_all()
        self._sync, self._pid, self._turnstile, self._log = "FULL", os.getpid(), turnstile, log
        return db


def fetch_all(db: Database, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows of a query. Their columns are Any: the SQL beside the call is their type."""
    return db.execute(sql, values).fetchall()


def fetch_one(db: Database, sql: str, values: Sequence[Any] = ()) -> Any:
    """The first row of a query, None when there is none."""
    return db.execute(sql, values).fetchone()
