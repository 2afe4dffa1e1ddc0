"""The care of the file: are its pages and its counts right, and how does it become smaller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import apsw

from oakum.errors import CannotRun
from oakum.model.job import State
from oakum.store.care import (
    RECOUNT,
    Counted,
    Finding,
    Look,
    Room,
    Step,
    Survey,
    Tell,
    compare,
    orphans,
    stuck,
    whether_open,
)
from oakum.store.sqlite import notice, rules
from oakum.store.sqlite.backup import backup
from oakum.store.sqlite.connection import PROMISE, Connection, fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.filesystem import refuse_network
from oakum.store.sqlite.library import Library
from oakum.store.sqlite.space import used
from oakum.units import MIB, format_size

_WORST: Final = 10  # messages about pages
_PAGES_AT_ONCE: Final = 500  # given back in one transaction: some milliseconds
_INCREMENTAL: Final = 2
_QUICK_BYTES: Final = 64 * MIB  # to write so much anew takes a second or less, and so long everybody may wait
_KEPT: Final = """
SELECT queue.text, task.text, state, jobs, bytes
FROM tally JOIN name AS queue ON queue.number = queue JOIN name AS task ON task.number = task WHERE jobs <> 0 OR bytes <> 0
"""
_FOUND: Final = """
SELECT queue.text, task.text, state, jobs, bytes
FROM (SELECT queue, task, state, count(*) AS jobs, sum(length(payload)) AS bytes FROM job GROUP BY queue, task, state)
    JOIN name AS queue ON queue.number = queue JOIN name AS task ON task.number = task
"""
_ORPHANS: Final = "SELECT count(*) FROM job WHERE state = 1 AND holder NOT IN (SELECT number FROM holder)"
_LEFT_BEHIND: Final = """
SELECT (SELECT count(*) FROM start WHERE seq NOT IN (SELECT seq FROM job))
    + (SELECT count(*) FROM log WHERE seq NOT IN (SELECT seq FROM job))
    + (SELECT count(*) FROM progress WHERE seq NOT IN (SELECT seq FROM job))
    + (SELECT count(*) FROM ask WHERE seq NOT IN (SELECT seq FROM job))
"""
_LOGS: Final = """
SELECT coalesce((SELECT value FROM total WHERE name = 'logs'), 0), coalesce((SELECT sum(length(text)) FROM log), 0)
"""
_HELD: Final = """
SELECT text, key, count(*),
    (SELECT count(*) FROM job AS mate WHERE placed = 1 AND mate.queue = job.queue AND mate.key = job.key)
FROM job JOIN name ON number = queue WHERE state = 3 GROUP BY queue, key
"""


class SqliteCare:
    """See `oakum.store.care.Care`."""

    def __init__(self, path: str, tell: Tell, library: Library) -> None:
        self._connection, self._tell = Connection(path, library), tell

    def survey(self) -> Survey:
        path = self._connection.path
        refuse_network(path)
        if not os.path.exists(path):
            return Survey(None, PROMISE)
        with self._connection.look() as db:
            version = int(fetch_one(db, "PRAGMA user_version")[0])
            if version:  # else somebody is making it at this moment
                notice.refuse(db, path)
            return Survey(version or None, PROMISE)

    def looks(self) -> Iterator[Look]:
        with self._connection.read() as db:
            yield whether_open(notice.read(db))
            damage = tuple(_damage(db))
            yield Look("pages and indexes", damage)
            if damage:
                return  # what can't be read can't be counted
            with db:  # all that follows is of one moment
                yield Look("counts", tuple(_counts(db)))
                yield Look("leases", tuple(_leases(db)))
                yield Look("keys", tuple(_keys(db)))

    def compact(self, *, block: bool = False) -> Room:
        before = self._size()
        with self._connection.read() as db:
            by_steps = fetch_one(db, "PRAGMA auto_vacuum")[0] == _INCREMENTAL
        if by_steps:
            self._give_back()
        else:
            self._write_anew(block=block)
        with self._connection.alone() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Room(before, self._size())

    def backup(self, to: str) -> int:
        with self._connection.look() as db:
            return backup(db, self._connection.path, to, self._tell)

    def close(self) -> None:
        self._connection.close()

    def _size(self) -> int:
        path = self._connection.path
        return sum(os.stat(each).st_size for each in (path, f"{path}-wal") if os.path.exists(each))

    def _give_back(self) -> None:
        """Cuts free pages off the file's end, some at a time, so that others get their turn in between."""
        left = total = 1
        while left:
            with self._connection.write("NORMAL") as db:
                fetch_all(db, f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
                left = int(fetch_one(db, "PRAGMA freelist_count")[0])
            total = max(total, left + _PAGES_AT_ONCE)
            self._tell(Step("free pages are given back", total - left, total))

    def _write_anew(self, *, block: bool) -> None:
        """Writes the file anew without its free pages, and so that the next time they can be given back by steps."""
        with self._connection.alone() as db:
            size = used(db)
            if size > _QUICK_BYTES and not block:
                raise CannotRun(
                    f"{self._connection.path}: to write {format_size(size)} anew, the first time, all who write to it have to"
                    " wait for longer than a second; say --block, best when little is going on"
                )
            self._tell(Step("the file is written anew", 0, 1))
            db.execute("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
            self._tell(Step("the file is written anew", 1, 1))


def _damage(db: Database) -> Iterator[Finding]:
    remedy = "restore the last backup"
    try:
        for (text,) in db.execute(f"PRAGMA integrity_check({_WORST})"):
            if text != "ok":
                yield Finding(f"the file is damaged: {text}", remedy)
    except apsw.CorruptError as error:  # what has been told is not all
        yield Finding(f"the file is damaged: {error}", remedy)


def _counts(db: Database) -> Iterator[Finding]:
    yield from compare(_counted(db, _KEPT), _counted(db, _FOUND))
    says, has = fetch_one(db, _LOGS)
    if says != has:
        yield Finding(f"counts {format_size(says)} of logs, has {format_size(has)}", RECOUNT)
    left = fetch_one(db, _LEFT_BEHIND)[0]
    if left:
        yield Finding(f"{left} rows of starts, logs and notes belong to no job", RECOUNT)


def _counted(db: Database, query: str) -> Counted:
    return {(queue, task, State(state)): (jobs, size) for queue, task, state, jobs, size in fetch_all(db, query)}


def _leases(db: Database) -> Iterator[Finding]:
    jobs = fetch_one(db, _ORPHANS)[0]
    if jobs:
        yield orphans(jobs)


def _keys(db: Database) -> Iterator[Finding]:
    for queue, key, held, placed in fetch_all(db, _HELD):
        if placed < rules.in_force(db, "queue", queue).key_limit:
            yield stuck(queue, key, held)
