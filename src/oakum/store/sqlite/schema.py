"""The tables of the embedded store, and how an older file becomes a present one."""

from __future__ import annotations

import re
from typing import Final

from oakum.errors import NotAStore, StoreError, StoreTooNew
from oakum.store.sqlite.database import Database

APPLICATION_ID: Final = 0x4F414B4D  # "OAKM": says whose file it is, at offset 68 of the header
VERSION: Final = 2

# A waiting job takes about 100 bytes with its two index entries: small numbers and NULLs cost a byte or none, names
# stand once in `name`, what is rare stands in `meta`, and the time of creation is in the id.
_V1: Final = """
CREATE TABLE name(number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE job(
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    task INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,
    rank INTEGER NOT NULL,          -- priority, negated: the smallest comes first
    run_at INTEGER NOT NULL,        -- wall milliseconds, like all times but leases
    payload BLOB NOT NULL,
    token INTEGER NOT NULL,         -- claims so far: the fence
    tries INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    over INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    holder INTEGER,
    expires_at INTEGER,
    meta BLOB,                      -- what few jobs have: see meta.py
    ended INTEGER,
    keep_until INTEGER,
    record BLOB,
    key TEXT,                       -- one at a time in its queue
    placed INTEGER,                 -- 1 with a place of its key, 0 without one; NULL without a key, and at the end
    aged INTEGER                    -- 1 where its queue lets go of the oldest: only those are kept in order of age
);
CREATE UNIQUE INDEX job_id ON job(id);
CREATE INDEX job_ready ON job(queue, task, rank, run_at) WHERE state = 0;
CREATE INDEX job_running ON job(holder) WHERE state = 1;
CREATE INDEX job_due ON job(run_at) WHERE state = 2;
CREATE INDEX job_ended ON job(keep_until) WHERE state > 3;
CREATE INDEX job_expiry ON job(expires_at) WHERE expires_at IS NOT NULL AND state < 4 AND state <> 1;
CREATE INDEX job_held ON job(queue, key, rank, run_at) WHERE state = 3;
CREATE INDEX job_placed ON job(queue, key) WHERE placed = 1;
CREATE INDEX job_aged ON job(queue) WHERE aged = 1 AND state < 4 AND state <> 1;
CREATE TABLE line(queue INTEGER, key TEXT, arrival REAL NOT NULL, PRIMARY KEY(queue, key)) WITHOUT ROWID;
                                    -- the theoretical arrival time of a key's rate, as long as that is not past
CREATE INDEX line_arrival ON line(arrival);
CREATE TABLE rule(kind TEXT, name TEXT, declared BLOB NOT NULL, override BLOB, limited INTEGER NOT NULL,
    arrival REAL NOT NULL DEFAULT 0, PRIMARY KEY(kind, name)) WITHOUT ROWID;
CREATE INDEX rule_limited ON rule(kind, name) WHERE limited;
CREATE TABLE schedule(name TEXT PRIMARY KEY, version INTEGER NOT NULL, next INTEGER, spec BLOB NOT NULL, state BLOB NOT NULL)
    WITHOUT ROWID;
CREATE INDEX schedule_next ON schedule(next) WHERE next IS NOT NULL;
CREATE TABLE memo(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE gone(queue INTEGER, task INTEGER, jobs INTEGER NOT NULL /* pruned */, PRIMARY KEY(queue, task)) WITHOUT ROWID;
CREATE TABLE mark(key BLOB PRIMARY KEY, seq INTEGER NOT NULL, id BLOB NOT NULL, until INTEGER) WITHOUT ROWID;
CREATE INDEX mark_seq ON mark(seq);
CREATE INDEX mark_until ON mark(until) WHERE until IS NOT NULL;
CREATE TABLE start(seq INTEGER, token INTEGER, ended INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY(seq, token))
    WITHOUT ROWID;
CREATE TABLE log(seq INTEGER, token INTEGER, text BLOB NOT NULL, PRIMARY KEY(seq, token)) WITHOUT ROWID;
CREATE TABLE progress(seq INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE ask(seq INTEGER PRIMARY KEY, holder INTEGER NOT NULL);
CREATE TABLE tally(queue INTEGER, task INTEGER, state INTEGER, jobs INTEGER NOT NULL, bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(queue, task, state))
    WITHOUT ROWID;
CREATE INDEX tally_task ON tally(task, state, jobs) WHERE state < 2;
CREATE TABLE total(name TEXT PRIMARY KEY /* 'logs': bytes, 'seq': pruned up to */, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE holder(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity BLOB NOT NULL,
    lease_until INTEGER NOT NULL,   -- boot milliseconds of the holder's host
    fenced INTEGER NOT NULL,
    report BLOB NOT NULL
);
CREATE TABLE measured(task INTEGER PRIMARY KEY, stats BLOB NOT NULL);
CREATE TABLE paused(queue INTEGER PRIMARY KEY);
"""

# What a worker with nothing to do would take, and under which of its numbers; `seq` is the job that it was given. The
# tally's index is without the counts, so that what changes these alone need not write it.
_V2: Final = """
CREATE TABLE offer(holder INTEGER PRIMARY KEY, turn INTEGER NOT NULL, bell TEXT NOT NULL, queues TEXT NOT NULL,
    tasks TEXT NOT NULL, since INTEGER NOT NULL, seq INTEGER);
DROP INDEX tally_task;
CREATE INDEX tally_task ON tally(task, state) WHERE state < 2
"""

_STEPS: Final = (_V1, _V2)  # step n makes version n + 1 of version n; forward only
_NAMES: Final = re.findall(r"CREATE (?:TABLE|(?:UNIQUE )?INDEX) (\w+)", "".join(_STEPS))


def check(db: Database, path: str, *, shared: bool) -> None:
    """Raises StoreTooNew for a file of a later version, NotAStore for a database that is somebody else's.

    `shared`: there may be tables already, if only the store can have its own beside them.
    """
    with db:  # one look at one state: another process may be making the file at this moment
        owner, version = _pragma(db, "application_id"), _pragma(db, "user_version")
        names = (
            {name for (name,) in db.execute("SELECT lower(name) FROM sqlite_schema")}
            if owner != APPLICATION_ID
            else set()
        )
    if owner != APPLICATION_ID:
        if owner or version or (names and not shared):
            raise NotAStore(
                f"{path}: this is a database, but not one of Oakum's; give the store a file of its own (for one beside tables"
                " of yours, name the library of your connections: ?library=sqlite3)"
            )
        if taken := names.intersection(_NAMES):
            raise NotAStore(
                f"{path}: it has a {min(taken)!r} already, as the store would; give the store a file of its own"
            )
    refuse_newer(version, path)


def refuse_newer(version: int, path: str) -> None:
    """Raises StoreTooNew for the number of a later version."""
    if version > VERSION:
        raise StoreTooNew(
            f"{path}: schema {version} was written by a newer Oakum than this one, which knows {VERSION}; upgrade Oakum here"
        )


def is_current(db: Database) -> bool:
    """Whether the file needs no migration: plain reads, without a lock."""
    return (
        _pragma(db, "application_id") == APPLICATION_ID
        and _pragma(db, "user_version") == VERSION
        and db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    )


def migrate(db: Database, path: str, *, shared: bool) -> None:
    """Brings the file to the present version; the caller keeps other processes out. Raises what `check` does."""
    if db.execute("PRAGMA journal_mode = WAL").fetchall() != [("wal",)]:
        raise StoreError(f"{path}: this file system can't hold SQLite's write-ahead log; put the file on a local disk")
    db.execute("BEGIN IMMEDIATE")
    try:
        check(db, path, shared=shared)
        for step in _STEPS[_pragma(db, "user_version") :]:
            for statement in step.split(";\n"):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _pragma(db: Database, name: str) -> int:
    row = db.execute(f"PRAGMA {name}").fetchone()
    return int(row[0]) if row else 0
