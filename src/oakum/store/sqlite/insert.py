"""Jobs on their way in: nearly all in one statement; those with keys, and those of bounded queues, are looked at first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import apsw

from oakum.errors import StoreFull
from oakum.model.intake import check_room, dropped, make_room, sort_out
from oakum.model.job import NewJob, State
from oakum.model.lifecycle import Ending
from oakum.store.base import Instant, Mark
from oakum.store.group import GroupCommit, Ticket
from oakum.store.sqlite import ending, keys, marks, meta, rules
from oakum.store.sqlite.ballast import SIZE as BALLAST
from oakum.store.sqlite.connection import Connection, fetch_all, fetch_one
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally
from oakum.units import format_size

_INSERT: Final = """
INSERT INTO job(seq, id, task, queue, state, rank, run_at, payload, token, tries, crashes, over, suspect, expires_at, meta,
    key, placed)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, ?, ?, ?, ?) ON CONFLICT(id) DO NOTHING
"""
_LAST: Final = """
SELECT max(coalesce((SELECT max(seq) FROM job), 0), coalesce((SELECT value FROM total WHERE name = 'seq'), 0))
"""
_OLDEST: Final = """
SELECT seq, queue, task, state, length(payload), key FROM job WHERE queue = ? AND state IN (0, 2, 3) ORDER BY seq LIMIT ?
"""
_OLD: Final = "SELECT seq, queue, task, state, length(payload), key, meta FROM job WHERE id = ?"
_REPLACE: Final = """
UPDATE job SET payload = ?, rank = ?, expires_at = ?, meta = ?, state = ?, run_at = coalesce(nullif(?, 0), run_at),
    placed = CASE WHEN key IS NULL OR ? THEN placed ELSE 0 END WHERE seq = ?
"""
_MOST_DROPPED: Final = 10_000
_AVAILABLE: Final = State.AVAILABLE
_SCHEDULED: Final = State.SCHEDULED
_QUEUE_TASK_STATE: Final = itemgetter(3, 2, 4)
_Row = tuple[Any, ...]


class Inserter:
    """Jobs of many callers in one commit."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names
        self.group = GroupCommit(self._write)

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.Store.insert`."""
        return self.group.insert(jobs, now)

    def _write(self, tickets: Sequence[Ticket]) -> Sequence[Sequence[Mark]]:
        self._names.make({name for ticket in tickets for job in ticket.jobs for name in (job.task, job.queue)})
        with self._connection.write("FULL") as db:
            self.keep_room(db)
            tally = Tally()
            found = [write_jobs(db, self._names, each.jobs, each.now.wall_ms, tally) for each in tickets]
            tally.save(db)
        return found

    def keep_room(self, db: apsw.Connection) -> None:
        """Refuses new jobs past the store's own bound, and while there is no room to finish those that are in."""
        bound = rules.in_force(db, "store", "").max_bytes
        if bound is not None and (size := used(db)) >= bound:
            raise StoreFull(
                f"{self._connection.path}: the store holds {format_size(size)} of the {format_size(bound)} it may;"
                " raise max_store, or purge what has ended"
            )
        if self._connection.ballast.keep():
            return
        free = fetch_one(db, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")[0]
        if free < BALLAST:
            raise StoreFull(
                f"{self._connection.path}: the disk is full but for what the jobs at hand need; free some room"
            )


def used(db: apsw.Connection) -> int:
    """The bytes of the file that hold something."""
    pages = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    return int(fetch_one(db, pages)[0])


def write_jobs(db: apsw.Connection, names: Names, jobs: Sequence[NewJob], now_ms: int, tally: Tally) -> list[Mark]:
    """Writes jobs; the caller is in a write transaction, and their names have numbers. Raises QueueFull, DuplicateJob."""
    bounded = rules.bounded(db)
    if not any(job.unique or job.idempotency or job.key for job in jobs) and not (
        bounded and any(job.queue in bounded for job in jobs)
    ):
        _write_plain(db, names, jobs, now_ms, tally)
        return []
    intake = sort_out(
        jobs,
        now_ms,
        lambda job_id: fetch_one(db, "SELECT 1 FROM job WHERE id = ?", (job_id,)) is not None,
        lambda key: marks.unique_owner(db, key),
        lambda key: marks.idempotency_owner(db, key, now_ms),
    )
    over: dict[bytes, Ending] = {}
    for queue in sorted({job.queue for job in intake.fresh} & bounded):
        over |= _make_room(db, names, queue, [job for job in intake.fresh if job.queue == queue], now_ms, tally)
    seq = _next_seq(db)
    for job in intake.fresh:
        _write_one(db, names, job, seq, now_ms, tally, over.get(job.id))
        seq += 1
    for job in intake.replaced.values():
        _replace(db, names, job, now_ms, tally)
    return [Mark(place, owner) for place, owner in intake.marks]


def _write_plain(db: apsw.Connection, names: Names, jobs: Sequence[NewJob], now_ms: int, tally: Tally) -> None:
    """All of them in one statement."""
    first = _next_seq(db)
    rows = [_row(first + place, job, names, now_ms) for place, job in enumerate(jobs)]
    before = db.total_changes()
    db.executemany(_INSERT, rows)
    if db.total_changes() - before != len(rows):  # some were in: a call repeated after an unknown end, or a mix
        rows = [row for row in rows if fetch_one(db, "SELECT 1 FROM job WHERE seq = ?", row[:1])]
    for (queue, task, state), some in groupby(sorted(rows, key=_QUEUE_TASK_STATE), _QUEUE_TASK_STATE):
        sizes = [len(row[7]) for row in some]
        tally.add(queue, task, state, len(sizes), sum(sizes))


def _row(seq: int, job: NewJob, names: Names, now_ms: int) -> _Row:
    """A job with a key is held at first, until `keys.enter` has found it a place."""
    keyed = job.key is not None
    state = _SCHEDULED if job.run_at_ms > now_ms else State.HELD if keyed else _AVAILABLE
    return (
        seq, job.id, names.number(job.task), names.number(job.queue), state, -job.priority, job.run_at_ms or now_ms,
        job.payload, job.expires_ms, meta.pack(job), job.key, 0 if keyed else None,
    )  # fmt: skip


def _write_one(
    db: apsw.Connection, names: Names, job: NewJob, seq: int, now_ms: int, tally: Tally, over: Ending | None
) -> None:
    row = _row(seq, job, names, now_ms)
    db.execute(_INSERT, row)
    tally.add(row[3], row[2], row[4], 1, len(job.payload))
    marks.keep(db, job, seq)
    if over is not None:
        ending.end_waiting(db, names, [(seq, row[3], row[2], row[4], len(job.payload), None)], over, now_ms, tally)
    elif row[4] == State.HELD:
        keys.enter(db, names, seq, tally)


def _make_room(
    db: apsw.Connection, names: Names, queue: str, jobs: Sequence[NewJob], now_ms: int, tally: Tally
) -> dict[bytes, Ending]:
    """Lets go of what a queue's bound demands; which of the new jobs end at once."""
    rule, number = rules.in_force(db, "queue", queue), names.number(queue)
    over = dropped(queue, rule)
    room = make_room(queue, rule, tally.load(db, number), jobs, _oldest(db, number))
    ending.end_waiting(db, names, room.waiting, over, now_ms, tally)
    return dict.fromkeys(room.new, over)


def _oldest(db: apsw.Connection, queue: int) -> Iterable[tuple[_Row, int]]:
    for row in fetch_all(db, _OLDEST, (queue, _MOST_DROPPED)):
        yield row, row[4]


def _replace(db: apsw.Connection, names: Names, job: NewJob, now_ms: int, tally: Tally) -> None:
    """A waiting job takes what a new one with its key says."""
    seq, queue, task, state, size, key, column = fetch_one(db, _OLD, (job.id,))
    rule = rules.in_force(db, "queue", names.text(db, queue))
    check_room(names.text(db, queue), rule, tally.load(db, queue), 0, max(0, len(job.payload) - size))
    after = state
    if job.run_at_ms:
        after = _SCHEDULED if job.run_at_ms > now_ms else State.HELD if key is not None else _AVAILABLE
    stays = not job.run_at_ms
    values = (job.payload, -job.priority, job.expires_ms, meta.repack(column, job), after, job.run_at_ms, stays, seq)
    db.execute(_REPLACE, values)
    tally.add(queue, task, state, -1, -size)
    tally.add(queue, task, after, 1, len(job.payload))
    if key is not None and not stays:
        keys.pass_on(db, names, queue, key, now_ms, tally)
        if fetch_one(db, "SELECT state FROM job WHERE seq = ?", (seq,))[0] == State.HELD:
            keys.enter(db, names, seq, tally)


def _next_seq(db: apsw.Connection) -> int:
    return int(fetch_one(db, _LAST)[0]) + 1
