"""Jobs that come in with a caller's own transaction on the store's file: they are there if and only if he commits."""

from __future__ import annotations

import os
from collections.abc import Sequence

import apsw

from oakum.errors import NotEnqueued, StoreFull, UsageError
from oakum.model.job import NewJob
from oakum.store.base import Mark
from oakum.store.foreign import driver_connection
from oakum.store.sqlite import space
from oakum.store.sqlite.insert import write_jobs
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.notice import refuse
from oakum.store.sqlite.tally import Tally


def write_within(path: str, names: Names, connection: object, jobs: Sequence[NewJob], now_ms: int) -> Sequence[Mark]:
    """Writes jobs on the caller's connection, as a part of his transaction that he may survive the failure of.

    `names` are for this once: what it learns may be undone with the transaction.
    Raises UsageError for what is no connection of apsw, for one to another file, and for one without a transaction;
    NotEnqueued where SQLite refuses.
    """
    db = driver_connection(connection)
    if not isinstance(db, apsw.Connection):
        kind = f"{type(db).__module__}.{type(db).__name__}"
        # SQLite keeps its locks by process and file: a second library that closes it takes away the first one's.
        raise UsageError(
            f"using(connection=...): {kind} is not a connection of apsw; two SQLite libraries in one process must not"
            " share a file"
        )
    if not db.filename or not os.path.exists(path) or not os.path.samefile(db.filename, path):
        raise UsageError(f"using(connection=...): it is connected to {db.filename or 'memory'}, the store is {path}")
    if not db.in_transaction:
        raise UsageError("using(connection=...): no transaction has begun on it; execute BEGIN IMMEDIATE first")
    tally = Tally()
    try:
        with db:  # a savepoint
            refuse(db, path)
            space.check(db, path)
            for text in sorted({name for job in jobs for name in (job.task, job.queue)}):
                db.execute("INSERT INTO name(text) VALUES(?) ON CONFLICT(text) DO NOTHING", (text,))
                names.find(db, text)
            marks = write_jobs(db, names, jobs, now_ms, tally)
            tally.save(db)
    except (apsw.Error, StoreFull) as error:
        raise NotEnqueued(f"on the caller's connection: {error}") from error
    return marks
