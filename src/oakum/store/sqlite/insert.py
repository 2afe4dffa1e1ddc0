"""Jobs on their way in: many callers' jobs in one commit, and what becomes of a commit whose end is not known."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from operator import itemgetter
from threading import Lock
from typing import Final

import apsw

from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError, StoreFull
from oakum.model.ids import id_text
from oakum.model.job import NewJob, State
from oakum.store.base import Instant, Mark
from oakum.store.sqlite import meta
from oakum.store.sqlite.ballast import SIZE as BALLAST
from oakum.store.sqlite.connection import Connection, Undecided, fetch_one
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

_INSERT: Final = """
INSERT INTO job(seq, id, task, queue, state, rank, run_at, payload, token, tries, crashes, over, suspect, expires_at, meta)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, ?, ?) ON CONFLICT(id) DO NOTHING
"""
_LAST: Final = """
SELECT max(coalesce((SELECT max(seq) FROM job), 0), coalesce((SELECT value FROM total WHERE name = 'seq'), 0))
"""
_AVAILABLE: Final = State.AVAILABLE
_SCHEDULED: Final = State.SCHEDULED
_QUEUE_TASK_STATE: Final = itemgetter(3, 2, 4)
_Row = tuple[int, bytes, int, int, int, int, int, bytes, int | None, bytes | None]


class _Ticket:
    """One caller's jobs, waiting for whoever commits next."""

    __slots__ = ("done", "error", "jobs", "marks", "now")

    def __init__(self, jobs: Sequence[NewJob], now: Instant) -> None:
        self.jobs, self.now = jobs, now
        self.marks: list[Mark] = []
        self.done = False
        self.error: Exception | None = None

    def fail(self, error: Exception, cause: Exception | None) -> None:
        """Tells the caller that his jobs are not in, or perhaps not."""
        error.__cause__ = cause
        self.done, self.error = True, error


class Inserter:
    """Group commit without a thread: a caller who gets the lock commits for all who wait behind it."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names
        self._waiting: deque[_Ticket] = deque()
        self._committing = Lock()

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.Store.insert`."""
        if not jobs:
            return []
        ticket = _Ticket(jobs, now)
        self._waiting.append(ticket)
        with self._committing:
            if not ticket.done:
                tickets = [self._waiting.popleft() for _ in range(len(self._waiting))]
                # Whoever had taken this ticket may have been interrupted: inserting again does no harm.
                self._commit(tickets if ticket in tickets else [*tickets, ticket])
        if ticket.error is not None:
            raise ticket.error
        return ticket.marks

    def before_fork(self) -> None:
        """Lets the commit under way come to its end, and no other begin."""
        self._committing.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Goes on; those who waited are threads of the parent."""
        if child:
            self._waiting.clear()
        self._committing.release()

    def _commit(self, tickets: list[_Ticket]) -> None:
        try:
            self._write(tickets)
        except Undecided:
            self._resolve(tickets)
        except StoreError as error:
            for ticket in tickets:
                ticket.fail(NotEnqueued(str(error)), error)
        except Exception as error:  # noqa: BLE001  # not the store's: one caller's jobs can't be written at all
            if len(tickets) == 1:
                tickets[0].fail(error, None)
            else:
                for ticket in tickets:
                    self._commit([ticket])

    def _resolve(self, tickets: list[_Ticket]) -> None:
        """After a commit of unknown end: to write again finds the jobs that are in, since their ids tell."""
        try:
            self._write(tickets)
        except StoreError as error:
            for ticket in tickets:
                text = id_text(ticket.jobs[0].id)
                unknown = EnqueueUnknown(f"{error}; the job may be in: enqueue it again with the same id {text}", text)
                ticket.fail(unknown, error)

    def _write(self, tickets: list[_Ticket]) -> None:
        self._names.make({name for ticket in tickets for job in ticket.jobs for name in (job.task, job.queue)})
        with self._connection.write("FULL") as db:
            self._keep_room(db)
            tally = Tally()
            marks = [write_jobs(db, self._names, each.jobs, each.now.wall_ms, tally) for each in tickets]
            tally.save(db)
        for ticket, found in zip(tickets, marks, strict=True):
            ticket.marks, ticket.done = found, True

    def _keep_room(self, db: apsw.Connection) -> None:
        """Refuses new jobs while there is no room to finish those that are in, on the disk or in the file itself."""
        if self._connection.ballast.keep():
            return
        free = fetch_one(db, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")[0]
        if free < BALLAST:
            raise StoreFull(
                f"{self._connection.path}: the disk is full but for what the jobs at hand need; free some room"
            )


def write_jobs(db: apsw.Connection, names: Names, jobs: Sequence[NewJob], now_ms: int, tally: Tally) -> list[Mark]:
    """Writes jobs; the caller is in a write transaction, and their names have numbers."""
    marks: list[Mark] = []
    rows: list[_Row] = []
    number = names.number
    first = int(fetch_one(db, _LAST)[0]) + 1
    for place, job in enumerate(jobs):
        state = _SCHEDULED if job.run_at_ms > now_ms else _AVAILABLE
        row = (
            first + place, job.id, number(job.task), number(job.queue), state, -job.priority, job.run_at_ms or now_ms,
            job.payload, job.expires_ms, meta.pack(job),
        )  # fmt: skip
        if job.unique is None and job.idempotency is None:
            rows.append(row)
            continue
        owner = _insert_marked(db, job, row, now_ms)
        if owner is None:
            tally.add(row[3], row[2], row[4], 1)
        elif owner != job.id:
            marks.append(Mark(place, owner))
    before = db.total_changes()
    db.executemany(_INSERT, rows)
    if db.total_changes() - before != len(rows):  # some were in: a call repeated after an unknown end, or a mix
        rows = [row for row in rows if fetch_one(db, "SELECT 1 FROM job WHERE seq = ?", row[:1])]
    for (queue, task, state), count in Counter(map(_QUEUE_TASK_STATE, rows)).items():
        tally.add(queue, task, state, count)
    return marks


def _insert_marked(db: apsw.Connection, job: NewJob, row: _Row, now_ms: int) -> bytes | None:
    """Inserts a job that wants keys of its own; answers the id of the job that has one of them already, if any."""
    keys = [
        prefix + key
        for prefix, key in ((b"u", job.unique.key if job.unique else None), (b"i", job.idempotency))
        if key is not None
    ]
    for key in keys:
        found = fetch_one(db, "SELECT id, until FROM mark WHERE key = ?", (key,))
        if found is not None and (found[1] is None or found[1] > now_ms):
            return bytes(found[0])
    db.execute(_INSERT, row)
    if not db.changes():
        return job.id
    values = [(key, row[0], job.id) for key in keys]
    db.executemany("INSERT OR REPLACE INTO mark(key, seq, id) VALUES(?, ?, ?)", values)
    return None
