"""Jobs that come in with a caller's own transaction on the store's file: they are there if and only if he commits."""

from __future__ import annotations

import os
from collections.abc import Sequence

import apsw

from oakum.errors import NotEnqueued, StoreError, StoreFull, UsageError
from oakum.model.job import NewJob
from oakum.store.base import Mark
from oakum.store.foreign import driver_connection
from oakum.store.sqlite import space
from oakum.store.sqlite.connection import Connection
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.insert import write_jobs
from oakum.store.sqlite.library import Library
from oakum.store.sqlite.log import LOG_LIMIT
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.notice import refuse
from oakum.store.sqlite.tally import Tally


def write_within(store: Connection, connection: object, jobs: Sequence[NewJob], now_ms: int) -> Sequence[Mark]:
    """Writes jobs on the caller's connection, as a part of his transaction that he may survive the failure of.

    Raises UsageError for a connection that is not one of the store's library, for one to another file, and for one
    without a transaction; NotEnqueued where SQLite refuses.
    """
    db = _lent(store.library, driver_connection(connection))
    _make(store)
    names, tally = Names(store), Tally()  # of this once: what they learn may be undone with the transaction
    try:
        _check(db, store.path)
        with db:  # a savepoint
            db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
            db.execute("DELETE FROM memo WHERE 0")  # it waits for other writers, as no write after a read would
            refuse(db, store.path)
            space.check(db, store.path, space.Disk(store.path), jobs, now_ms)
            for text in sorted({name for job in jobs for name in (job.task, job.queue)}):
                db.execute("INSERT INTO name(text) VALUES(?) ON CONFLICT(text) DO NOTHING", (text,))
                names.find(db, text)
            marks = write_jobs(db, names, jobs, now_ms, tally)
            tally.save(db)
    except (apsw.Error, StoreFull) as error:
        raise NotEnqueued(f"on the caller's connection: {_first(error)}") from error
    store.keep_log_short_later()
    return marks


def _lent(library: Library, connection: object) -> Database:
    db = library.lend(connection)
    if db is None:
        kind = type(connection)
        remedy = (
            "for those of sqlite3, end the store's URL with ?library=sqlite3"
            if library.name == "apsw"
            else "for those of apsw, leave ?library=sqlite3 out of the store's URL"
        )
        raise UsageError(
            f"using(connection=...): {kind.__module__}.{kind.__qualname__} is not a connection of {library.name}, and two"
            f" SQLite libraries in one process must not share a file; {remedy}"
        )
    return db


def _check(db: Database, path: str) -> None:
    if not db.filename or not os.path.exists(path) or not os.path.samefile(db.filename, path):
        raise UsageError(f"using(connection=...): it is connected to {db.filename or 'memory'}, the store is {path}")
    if not db.in_transaction:
        raise UsageError("using(connection=...): no transaction has begun on it; execute BEGIN IMMEDIATE first")


def _make(store: Connection) -> None:
    try:
        store.make()
    except StoreError as error:
        if not isinstance(error.__cause__, apsw.BusyError):
            raise
        raise NotEnqueued(
            f"{store.path}: the store's tables can't be made while the caller's transaction is open; have them made first:"
            " start a worker, or call app.store.counts()"
        ) from error


def _first(error: BaseException) -> BaseException:
    """What went wrong: on a full disk SQLite may undo all, and then the savepoint's end goes wrong, too."""
    while isinstance(error.__context__, apsw.Error):
        error = error.__context__
    return error
