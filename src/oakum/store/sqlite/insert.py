"""Jobs on their way in: nearly all in one statement; those with keys, and those of full queues, are looked at first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from oakum.errors import DuplicateJob, NotEnqueued, QueueFull, StoreFull
from oakum.model.bounds import Rules
from oakum.model.intake import check_room, sort_out
from oakum.model.job import NewJob, State
from oakum.store import meta
from oakum.store.base import Instant, Mark
from oakum.store.group import GroupCommit, Ticket
from oakum.store.sqlite import bounds, ending, keys, marks, offers, rules, space
from oakum.store.sqlite.ballast import SIZE as BALLAST
from oakum.store.sqlite.connection import Connection, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.notice import refuse
from oakum.store.sqlite.offers import Gift
from oakum.store.sqlite.tally import Tally

_COLUMNS: Final = (
    "seq, id, task, queue, state, rank, run_at, payload, expires_at, meta, token, tries, crashes, over, suspect"
)
_INSERT_PLAIN: Final = f"""
INSERT INTO job({_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0) ON CONFLICT(id) DO NOTHING
"""
_INSERT_GIVEN: Final = f"""
INSERT INTO job({_COLUMNS}, holder) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, 0, 0, ?) ON CONFLICT(id) DO NOTHING
"""
_INSERT: Final = f"""
INSERT INTO job({_COLUMNS}, key, placed, aged) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, ?, ?, ?)
ON CONFLICT(id) DO NOTHING
"""
_LAST: Final = """
SELECT max(coalesce((SELECT max(seq) FROM job), 0), coalesce((SELECT value FROM total WHERE name = 'seq'), 0))
"""
_OLD: Final = "SELECT seq, queue, task, state, length(payload), key, meta FROM job WHERE id = ?"
_REPLACE: Final = "UPDATE job SET payload = ?, rank = ?, expires_at = ?, meta = ? WHERE seq = ?"
_PUT_OFF: Final = "UPDATE job SET state = ?, run_at = ?, placed = iif(key IS NULL, NULL, 0) WHERE seq = ?"
_AVAILABLE: Final = State.AVAILABLE
_SCHEDULED: Final = State.SCHEDULED
_HELD: Final = State.HELD
_RUNNING: Final = State.RUNNING
_IDS_AT_ONCE: Final = 1000
_QUEUE_TASK_STATE: Final = itemgetter(3, 2, 4)
_Row = tuple[Any, ...]


class Inserter:
    """Jobs of many callers in one commit; `tell` tells those who wait for them, or the one to whom a job is given.

    Workers see them, and may start them, while their callers still wait for the disk: nothing that follows from a job
    can be on the disk before the job itself is, since all of it goes through the same log. `own_bell` is the name of the
    bell of this process's own worker, who is given nothing.
    """

    def __init__(
        self, connection: Connection, names: Names, tell: Callable[[Gift | None], None], own_bell: Callable[[], str]
    ) -> None:
        self._connection, self._names, self._tell, self._own_bell = connection, names, tell, own_bell
        self._disk = space.Disk(connection.path)
        self.group = GroupCommit(self._write)

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.Store.insert`."""
        return self.group.insert(jobs, now)

    def _write(self, tickets: Sequence[Ticket]) -> Sequence[Sequence[Mark] | NotEnqueued]:
        jobs = tickets[0].jobs if len(tickets) == 1 else [job for ticket in tickets for job in ticket.jobs]
        self._names.make({name for job in jobs for name in (job.task, job.queue)})
        with self._connection.write("NORMAL") as db:
            refuse(db, self._connection.path)
            self.keep_room(db, jobs, tickets[0].now)
            tally, gift = Tally(), None
            if len(jobs) == 1:
                gift = _give(db, self._names, jobs[0], tickets[0].now, tally, self._own_bell())
            answers = [[]] if gift is not None else [self._answer(db, each, tally) for each in tickets]
            tally.save(db)
        self._tell(gift)
        self._connection.flush()
        return answers

    def _answer(self, db: Database, ticket: Ticket, tally: Tally) -> Sequence[Mark] | NotEnqueued:
        """One caller's marks, or why his jobs are not in; the others' are."""
        try:
            return write_jobs(db, self._names, ticket.jobs, ticket.now.wall_ms, tally)
        except (QueueFull, DuplicateJob) as refusal:
            return refusal

    def keep_room(self, db: Database, jobs: Sequence[NewJob], now: Instant) -> None:
        """Refuses new jobs past the store's own bound, and while there is no room to finish those that are in."""
        space.check(db, self._connection.path, self._disk, jobs, now.wall_ms)
        if self._connection.ballast.keep():
            return
        free = fetch_one(db, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")[0]
        if free < BALLAST:
            raise StoreFull(
                f"{self._connection.path}: the disk is full but for what the jobs at hand need; free some room"
            )


def write_jobs(db: Database, names: Names, jobs: Sequence[NewJob], now_ms: int, tally: Tally) -> list[Mark]:
    """Writes jobs, all or none; the caller is in a write transaction, and their names have numbers.

    Raises QueueFull, DuplicateJob.
    """
    ruled = {queue: rules.in_force(db, "queue", queue) for queue in {job.queue for job in jobs}}
    if all(map(_is_plain, jobs)) and bounds.have_room(db, names, ruled, jobs, tally):
        _write_plain(db, names, jobs, ruled, now_ms, tally)
        return []
    tally.save(db)
    mine = Tally()
    with db:  # a savepoint: who is refused leaves no trace, and no reason to undo what others do in this transaction
        found = _look_and_write(db, names, jobs, ruled, now_ms, mine)
        mine.save(db)
    return found


def _give(db: Database, names: Names, job: NewJob, now: Instant, tally: Tally, but: str) -> Gift | None:
    """Writes a job as if a worker had claimed it, who has offered to; None, and nothing written, where there is none.

    The caller is in a write transaction; the worker with the bell `but` is given nothing.
    """
    if not _is_plain(job) or job.run_at_ms > now.wall_ms:
        return None
    queue, task = names.number(job.queue), names.number(job.task)
    offer = offers.find(db, queue, task, but)
    if offer is None:
        return None
    rule = rules.in_force(db, "queue", job.queue)
    if bounds.is_bounded(rule) and (
        bounds.keeps_ages(rule) or not bounds.have_room(db, names, {job.queue: rule}, [job], tally)
    ):
        return None
    row = _row(_next_seq(db), job, names, now.wall_ms)
    db.execute(_INSERT_GIVEN, (*row[:4], _RUNNING, *row[5:], offer.holder))
    if not db.changes():  # it is in: a call repeated after an unknown end
        return None
    tally.add(queue, task, _RUNNING, 1, len(job.payload))
    return offers.accept(db, offer, job, row[0])


def _is_plain(job: NewJob) -> bool:
    """Whether nothing has to be looked at before it is written, but for its queue's bound."""
    return not (job.unique or job.idempotency or job.key)


def _write_plain(
    db: Database, names: Names, jobs: Sequence[NewJob], ruled: Mapping[str, Rules], now_ms: int, tally: Tally
) -> None:
    """All of them in one statement, in the faith that none is there already."""
    first = _next_seq(db)
    rows = [_row(first + place, job, names, now_ms) for place, job in enumerate(jobs)]
    before = db.total_changes()
    if any(map(bounds.keeps_ages, ruled.values())):
        aged = [_aged(ruled[job.queue]) for job in jobs]
        db.executemany(_INSERT, [(*row, None, None, age) for row, age in zip(rows, aged, strict=True)])
    else:
        db.executemany(_INSERT_PLAIN, rows)
    if db.total_changes() - before != len(rows):  # some were in: a call repeated after an unknown end, or a mix
        rows = [row for row in rows if fetch_one(db, "SELECT 1 FROM job WHERE seq = ?", row[:1])]
    sizes: dict[tuple[int, int, int], list[int]] = {}
    for row in rows:
        sizes.setdefault(_QUEUE_TASK_STATE(row), []).append(len(row[7]))
    for (queue, task, state), some in sizes.items():
        tally.add(queue, task, state, len(some), sum(some))


def _look_and_write(
    db: Database, names: Names, jobs: Sequence[NewJob], ruled: Mapping[str, Rules], now_ms: int, tally: Tally
) -> list[Mark]:
    """One by one, after a look at who is there and who is to go."""
    intake = sort_out(
        jobs,
        now_ms,
        _there(db, jobs).__contains__,
        lambda key: marks.unique_owner(db, key),
        lambda key: marks.idempotency_owner(db, key, now_ms),
    )
    over = bounds.let_go(db, names, ruled, intake.fresh, now_ms, tally)
    for seq, job in enumerate(intake.fresh, _next_seq(db)):
        row = _row(seq, job, names, now_ms)
        placed = None
        if job.key is not None:
            row, placed = _placed(db, row, job.key, job.id not in over, ruled[job.queue], tally)
        db.execute(_INSERT, (*row, job.key, placed, _aged(ruled[job.queue])))
        queue, task, state = _QUEUE_TASK_STATE(row)
        tally.add(queue, task, state, 1, len(job.payload))
        if job.unique is not None or job.idempotency is not None:
            marks.keep(db, job, seq)
        if job.id in over:
            waiting = (seq, queue, task, state, len(job.payload), job.key)
            ending.end_waiting(db, names, [waiting], over[job.id], now_ms, tally)
    for job in intake.replaced.values():
        _replace(db, names, job, now_ms, tally)
    return [Mark(place, owner) for place, owner in intake.marks]


def _row(seq: int, job: NewJob, names: Names, now_ms: int) -> _Row:
    state = _SCHEDULED if job.run_at_ms > now_ms else _AVAILABLE
    return (
        seq, job.id, names.number(job.task), names.number(job.queue), state, -job.priority, job.run_at_ms or now_ms,
        job.payload, job.expires_ms, meta.pack(job),
    )  # fmt: skip


def _placed(db: Database, row: _Row, key: str, stays: bool, ruled: Rules, tally: Tally) -> tuple[_Row, int]:
    """The row of a job with a key, held where it is due and finds no place; and whether it has one."""
    seq, _, _, queue, state, rank, run_at = row[:7]
    if state == _SCHEDULED:
        return row, 0
    if stays and keys.take_place(db, queue, key, (rank, run_at, seq), ruled.key_limit, tally):
        return row, 1
    return (*row[:4], _HELD, *row[5:]), 0


def _aged(ruled: Rules) -> int | None:
    return 1 if bounds.keeps_ages(ruled) else None


def _there(db: Database, jobs: Sequence[NewJob]) -> set[bytes]:
    """The ids of those that are in already."""
    found: set[bytes] = set()
    for first in range(0, len(jobs), _IDS_AT_ONCE):
        some = [job.id for job in jobs[first : first + _IDS_AT_ONCE]]
        found.update(
            each for (each,) in db.execute(f"SELECT id FROM job WHERE id IN ({', '.join('?' * len(some))})", some)
        )
    return found


def _replace(db: Database, names: Names, job: NewJob, now_ms: int, tally: Tally) -> None:
    """A waiting job takes what a new one with its key says."""
    seq, queue, task, state, size, key, column = fetch_one(db, _OLD, (job.id,))
    if State(state).terminal:  # let go of by this same call
        return
    rule = rules.in_force(db, "queue", names.text(db, queue))
    check_room(names.text(db, queue), rule, tally.load(db, queue), 0, max(0, len(job.payload) - size))
    db.execute(_REPLACE, (job.payload, -job.priority, job.expires_ms, meta.repack(column, job), seq))
    tally.add(queue, task, state, 0, len(job.payload) - size)
    if not job.run_at_ms:
        return
    due = job.run_at_ms <= now_ms
    after = _AVAILABLE if due and key is None else _SCHEDULED
    db.execute(_PUT_OFF, (after, job.run_at_ms, seq))
    tally.move(queue, task, state, after, 1, len(job.payload))
    if key is not None:
        keys.pass_on(db, names, [(queue, key)], now_ms, tally)
        if due:
            keys.enter(db, names, [seq], tally)


def _next_seq(db: Database) -> int:
    return int(fetch_one(db, _LAST)[0]) + 1
