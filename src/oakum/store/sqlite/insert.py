"""Jobs on their way in: many callers' jobs in one commit, and what becomes of a commit whose end is not known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Final

import apsw
import msgspec

from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError
from oakum.model.ids import id_text
from oakum.model.job import NewJob, State
from oakum.store.base import Instant, Mark
from oakum.store.sqlite.connection import Connection, fetch_one
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

_INSERT: Final = """
INSERT INTO job(id, task, queue, state, rank, run_at, payload, token, tries, crashes, over, suspect, expires_at, meta)
VALUES(?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, ?, ?) ON CONFLICT(id) DO NOTHING
"""
_encode_meta: Final = msgspec.msgpack.Encoder().encode
_Row = tuple[bytes, int, int, int, int, int, bytes, int | None, bytes | None]


class _Ticket:
    """One caller's jobs, waiting for whoever commits next."""

    __slots__ = ("done", "error", "jobs", "marks", "now")

    def __init__(self, jobs: Sequence[NewJob], now: Instant) -> None:
        self.jobs, self.now = jobs, now
        self.marks: list[Mark] = []
        self.done = False
        self.error: StoreError | None = None


class Inserter:
    """Group commit without a thread: a caller who gets the lock commits for all who wait behind it."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names
        self._waiting: deque[_Ticket] = deque()
        self._committing = Lock()

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.Store.insert`."""
        ticket = _Ticket(jobs, now)
        self._waiting.append(ticket)
        with self._committing:
            if not ticket.done:
                tickets = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._commit(tickets)
        if ticket.error is not None:
            raise ticket.error
        return ticket.marks

    def after_fork(self) -> None:
        """A lock held by another thread of the parent would never be freed here."""
        self._waiting.clear()
        self._committing = Lock()

    def _commit(self, tickets: list[_Ticket]) -> None:
        try:
            self._names.make({name for ticket in tickets for job in ticket.jobs for name in (job.task, job.queue)})
            with self._connection.write("FULL") as db:
                tally = Tally()
                for ticket in tickets:
                    ticket.marks = write_jobs(db, self._names, ticket.jobs, ticket.now.wall_ms, tally)
                tally.save(db)
        except StoreError as error:
            for ticket in tickets:
                ticket.error = self._explain(error, ticket)
        finally:
            for ticket in tickets:
                ticket.done = True

    def _explain(self, error: StoreError, ticket: _Ticket) -> StoreError | None:
        """After an error of the disk a commit may have happened all the same: only reading back tells."""
        if not isinstance(error.__cause__, apsw.IOError):
            return NotEnqueued(str(error))
        try:
            self._connection.reopen()
            with self._connection.read() as db:
                there = fetch_one(db, "SELECT 1 FROM job WHERE id = ?", (ticket.jobs[0].id,))
        except StoreError:
            text = id_text(ticket.jobs[0].id)
            return EnqueueUnknown(f"{error}; the job may be there: enqueue it again with the same id {text}", text)
        return NotEnqueued(str(error)) if there is None else None


def write_jobs(db: apsw.Connection, names: Names, jobs: Sequence[NewJob], now_ms: int, tally: Tally) -> list[Mark]:
    """Writes jobs; the caller is in a write transaction, and their names have numbers."""
    marks: list[Mark] = []
    rows: list[_Row] = []
    number = names.number
    for place, job in enumerate(jobs):
        row = _row(job, number(job.task), number(job.queue), now_ms)
        if job.unique is None and job.idempotency is None:
            rows.append(row)
            continue
        owner = _insert_marked(db, job, row, now_ms)
        if owner is None:
            tally.add(row[2], row[1], row[3], 1)
        elif owner != job.id:
            marks.append(Mark(place, owner))
    before = db.total_changes()
    db.executemany(_INSERT, rows)
    inserted = db.total_changes() - before
    if inserted == len(rows):
        for row in rows:
            tally.add(row[2], row[1], row[3], 1)
    elif inserted:
        _recount(db, tally, inserted)
    return marks


def _recount(db: apsw.Connection, tally: Tally, inserted: int) -> None:
    # A repeated call after an unknown end: all of it is there, or none; only a caller's own mix of old and new ids lands
    # between. The newest `inserted` rows by sequence are those that came in just now.
    for queue, task, state in db.execute("SELECT queue, task, state FROM job ORDER BY seq DESC LIMIT ?", (inserted,)):
        tally.add(queue, task, state, 1)


def _row(job: NewJob, task: int, queue: int, now_ms: int) -> _Row:
    later = job.run_at_ms > now_ms
    meta = None
    if job.overrides is not None or job.tags or job.parent is not None:
        meta = _encode_meta((job.overrides, job.tags, job.parent))
    return (
        job.id,
        task,
        queue,
        State.SCHEDULED if later else State.AVAILABLE,
        -job.priority,
        job.run_at_ms or now_ms,
        job.payload,
        job.expires_ms,
        meta,
    )


def _insert_marked(db: apsw.Connection, job: NewJob, row: _Row, now_ms: int) -> bytes | None:
    """Inserts a job that wants keys of its own; answers the id of the job that has one of them already, if any."""
    keys = [prefix + key for prefix, key in ((b"u", job.unique), (b"i", job.idempotency)) if key is not None]
    for key in keys:
        found = fetch_one(db, "SELECT id, until FROM mark WHERE key = ?", (key,))
        if found is not None and (found[1] is None or found[1] > now_ms):
            return bytes(found[0])
    db.execute(_INSERT, row)
    if not db.changes():
        return job.id
    seq = db.last_insert_rowid()
    db.executemany("INSERT OR REPLACE INTO mark(key, seq, id) VALUES(?, ?, ?)", [(key, seq, job.id) for key in keys])
    return None
