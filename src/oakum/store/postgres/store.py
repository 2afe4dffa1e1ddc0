"""The store for many machines itself: each verb of the protocol as one transaction on PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from oakum.errors import StoreError
from oakum.model.bounds import Ruled, RuleKind, Rules
from oakum.model.intake import Load
from oakum.model.job import Claimed, JobQuery, NewJob, State
from oakum.model.lifecycle import Settlement
from oakum.model.stats import TaskStats
from oakum.store import fork
from oakum.store.base import (
    TOPICS,
    Bell,
    Count,
    Flow,
    Holder,
    Identity,
    Instant,
    Mark,
    Page,
    Space,
    Spent,
    Story,
    Topic,
    Want,
)
from oakum.store.doubt import Doubt
from oakum.store.group import GroupCommit, Ticket, Undecided
from oakum.store.kept import Scheduled
from oakum.store.postgres import (
    claim,
    credit,
    holders,
    horizon,
    keys,
    known,
    limits,
    notice,
    prune,
    read,
    schedules,
    settle,
    space,
    tally,
)
from oakum.store.postgres import rules as bounds
from oakum.store.postgres.address import read_address
from oakum.store.postgres.bell import BellTower
from oakum.store.postgres.claim import Sight
from oakum.store.postgres.connection import Connection, promise
from oakum.store.postgres.db import Db
from oakum.store.postgres.insert import Promise, keep, names_of, write_jobs, write_plain
from oakum.store.postgres.moving import PostgresMoving
from oakum.store.postgres.names import Names
from oakum.store.postgres.ring import NOTIFY, Ringer
from oakum.store.postgres.within import within
from oakum.store.room import StoreRoom

_IDS_AT_ONCE: Final = 1000
_HELD_AT_MOST: Final = 100_000

T = TypeVar("T")


class PostgresStore:
    """See `oakum.store.base.Store`. `url` is `postgresql://user@host/database?schema=oakum`; nothing is opened before it is used.

    Raises UsageError for a URL that is none.
    """

    def __init__(self, url: str) -> None:
        self._connection = Connection(read_address(url))
        self._names = Names(self._connection)
        self._room = StoreRoom(self._bound, self._connection.address.shown)
        self._group = GroupCommit(self._insert)
        self._ringer = Ringer(self._connection)
        self._tower = BellTower(self._connection)
        self._told = 0
        self._in_hand: dict[int, set[int]] = {}  # refs that were handed out here and not settled yet, by holder
        self._doubtful: set[int] = set()  # holders whose last claim got no answer
        self._doubt = Doubt(self)
        fork.register(self)

    @property
    def durability(self) -> str:
        return promise(pooled=self._connection.pooled, durable=self._connection.durable)

    def exists(self) -> bool:
        """Whether there is a store at this address; makes none by looking."""
        return self._connection.exists()

    # -- jobs come in and go out ---------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        marks = self._group.insert(jobs, now)
        self._room.look_ahead(now)
        return marks

    def _insert(self, tickets: Sequence[Ticket]) -> Sequence[Sequence[Mark]]:
        numbers = self._names.make(name for ticket in tickets for name in names_of(ticket.jobs))
        jobs = [job for ticket in tickets for job in ticket.jobs]
        self._room.check(jobs, tickets[0].now)
        queues, bell = sorted({numbers[job.queue] for job in jobs}), self._ringer.channel("work")
        # Of several callers, the clock of the first is as good as any other.
        entry = self._connection.once(lambda db: write_plain(db, numbers, jobs, tickets[0].now.wall_ms, bell))
        marks: Sequence[Sequence[Mark]] = [[] for _ in tickets]
        if not entry.written:
            marks = self._change(lambda db: [write_jobs(db, numbers, each.jobs, each.now.wall_ms) for each in tickets])
        if not entry.kept:
            self._keep()
        if entry.rang:
            self._ringer.rang("work")
        else:
            self._ringer.wake(queues)
        return self._counted(marks)

    def _keep(self) -> None:
        """Has jobs that are seen already written to the disk."""
        try:
            self._connection.once(keep)
        except StoreError as error:
            raise Undecided(str(error)) from error

    def insert_within(self, connection: object, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.TransactionalStore`. `connection`: psycopg 3, or SQLAlchemy or Django over it."""
        numbers = self._names.make(names_of(jobs))

        def work(db: Db) -> Sequence[Mark]:
            notice.refuse(db, self._connection.address.shown)
            self._room.check(jobs, now)
            marks = write_jobs(db, numbers, jobs, now.wall_ms, self._promise_to(credit.transaction(db)))
            db.run(NOTIFY, (self._ringer.channel("work"),))  # heard once the caller commits
            return marks

        return within(connection, self._connection.address.schema, numbers, work)

    def _promise_to(self, transaction: int) -> Promise:
        """Promises room to a transaction of a caller's, and commits that at once."""

        def promise(number: int, queue: str, rule: Rules, jobs: Sequence[NewJob]) -> Load:
            return self._connection.write(lambda db: credit.promise(db, number, queue, rule, jobs, transaction))

        return promise

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        hand = self._in_hand.setdefault(want.holder, set())
        try:
            taken = self._found_again(want.holder, hand) or self._claim(want, now)
        except Undecided:
            self._doubtful.add(want.holder)
            raise
        hand.update(job.ref for job in taken)
        self._told += bool(taken)  # added up by a settle: jobs that were taken are not to wait for it
        return taken

    def _found_again(self, holder: int, hand: set[int]) -> Sequence[Claimed]:
        """What a claim took whose answer was lost with the line: nobody else will run it as long as its holder lives."""
        if holder not in self._doubtful:
            return []
        lost = [job for job in self.held(holder, _HELD_AT_MOST) if job.ref not in hand]
        self._doubtful.discard(holder)
        return lost

    def _claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        numbers = self._names.make((*want.queues, *want.weights))
        waits = sorted(numbers[queue] for queue in want.queues)
        seen = self._look(want, numbers, now)
        taken = seen.taken or self._take(seen, want, numbers, now)
        if taken or seen.waits == waits or not self._connection.once(lambda db: claim.wait(db, want.holder, waits)):
            return taken
        # What came in before the note is seen now, and what comes in after it will ring.
        seen = self._look(want, numbers, now)
        return seen.taken or self._take(seen, want, numbers, now)

    def _look(self, want: Want, numbers: Mapping[str, int], now: Instant) -> Sight:
        asked, shown = claim.wishes(want, numbers), self._connection.address.shown

        def look(db: Db) -> Sight:
            return claim.look(db, self._names, asked, want, now.wall_ms, shown)

        seen = self._connection.once(look)
        if seen.due and self._connection.once(lambda db: holders.is_valid(db, want.holder)):
            self.promote(now, claim.PROMOTED_AT_ONCE)
            seen = self._connection.once(look)
        return seen

    def _take(self, seen: Sight, want: Want, numbers: Mapping[str, int], now: Instant) -> Sequence[Claimed]:
        if not seen.wishes:
            return []
        if seen.limited:
            return self._connection.write(
                lambda db: limits.take(db, self._names, seen.wishes, want, numbers, now.wall_ms)
            )

        def take(db: Db) -> list[Claimed]:
            chosen = claim.choose(db, seen.wishes, want, now.wall_ms)
            return claim.take(db, self._names, chosen, want, now.wall_ms)

        return self._connection.once(take)

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        if not settlements:
            return []
        follow = [job for each in settlements for job in each.follow]
        numbers = self._names.make(names_of(follow))

        def work(db: Db) -> tuple[list[int], set[int]]:
            late, queues = settle.settle(db, settlements, holder, now.wall_ms)
            in_time = [each for place, each in enumerate(settlements) if place not in set(late)]
            settle.keep_stories(db, in_time, now.wall_ms)
            following = [job for each in in_time for job in each.follow]
            if following:
                write_jobs(db, numbers, following, now.wall_ms)
            return late, queues

        try:
            late, queues = self._write(work)
        except Undecided:
            self._doubt.note(settlements, holder)
            raise
        self._in_hand.get(holder, set()).difference_update(each.ref for each in settlements)
        self._ringer.ring("results", "room")
        if follow or any(each.ended_ms is None for each in settlements):
            self._ringer.wake((*queues, *numbers.values()))
        return self._doubt.really_late(settlements, late, holder)

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        states: dict[bytes, State] = {}
        for first in range(0, len(ids), _IDS_AT_ONCE):
            states |= self._change(partial(settle.cancel, ids=ids[first : first + _IDS_AT_ONCE], now_ms=now.wall_ms))
        self._ringer.ring(*TOPICS)
        return states

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        copies = self._connection.once(lambda db: read.copies(db, self._names, ids))
        there_already = {mark.place for mark in self.insert(copies, now)}
        return {
            copy.parent: copy.id
            for place, copy in enumerate(copies)
            if copy.parent is not None and place not in there_already
        }

    def promote(self, now: Instant, limit: int = 1000) -> int:
        if not self._connection.once(lambda db: claim.is_due(db, now.wall_ms)):
            return 0
        changed, queues = self._change(lambda db: claim.promote(db, now.wall_ms, limit))
        self._ringer.ring("results", "room")  # some may have expired
        self._ringer.wake(queues)
        return changed

    def next_due(self, now: Instant) -> int | None:
        return self._connection.once(lambda db: limits.next_due(db, now.wall_ms))

    def prune(self, now: Instant, limit: int = 1000) -> int:
        if not self._connection.once(lambda db: prune.is_due(db, now.wall_ms)):
            return 0
        return self._change(lambda db: prune.prune(db, now.wall_ms, limit))

    def prunable(self, now: Instant) -> int:
        return self._connection.once(lambda db: prune.prunable(db, now.wall_ms))

    # -- those who hold them -------------------------------------------------------------------------------------------

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        return self._change(lambda db: holders.enrol(db, identity, lease_ms, now))

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        return self._connection.once(lambda db: holders.renew(db, holder, lease_ms, report, now))

    def holders(self) -> Sequence[Holder]:
        return self._connection.once(holders.holders)

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        return self._connection.once(lambda db: holders.fence(db, holder, seen_lease_ms))

    def discharge(self, holder: int) -> bool:
        self._in_hand.pop(holder, None)
        self._doubt.forget(holder)
        return self._connection.write(lambda db: holders.discharge(db, holder))

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        return self._connection.once(lambda db: claim.held(db, self._names, holder, limit))

    def cancelled(self, holder: int) -> Sequence[int]:
        asked = "SELECT seq FROM oakum.job WHERE state = 1 AND holder = $1 AND asked ORDER BY seq"
        return [seq for (seq,) in self._connection.once(lambda db: db.all(asked, (holder,)))]

    def forget(self, ids: Sequence[bytes], now: Instant) -> int:
        text = "UPDATE oakum.job SET keep_until = $2 WHERE id = ANY($1::uuid[]) AND state > 3 AND keep_until > $2"
        return self._change(lambda db: db.run(text, ([each.hex() for each in ids], now.wall_ms)))

    # -- bounds and limits ---------------------------------------------------------------------------------------------

    def declare(self, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
        if self._change(lambda db: bounds.declare(db, kind, rules)):
            self._ruled(kind, list(rules))

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        self._change(lambda db: bounds.override(db, kind, name, rules))
        self._ruled(kind, [name])

    def rules(self, kind: RuleKind) -> Mapping[str, Ruled]:
        known = self._connection.once(lambda db: bounds.read(db, kind))
        return {name: each for name, each in known.items() if each != Ruled()}

    def spent(self, now: Instant) -> Sequence[Spent]:
        return self._connection.once(lambda db: limits.spent(db, now.wall_ms))

    def _ruled(self, kind: RuleKind, names: Sequence[str]) -> None:
        """After a change there may be more places for keys, and more room."""
        if kind == "queue":
            numbers = self._names.make(names)
            held = "SELECT DISTINCT queue, key FROM oakum.job WHERE state = 3 AND queue = ANY($1::bigint[])"
            self._write(lambda db: keys.pass_on(db, db.all(held, (list(numbers.values()),)), None))
        self._ringer.ring("work", "room")

    # -- schedules -----------------------------------------------------------------------------------------------------

    def write_schedule(self, row: Scheduled, jobs: Sequence[NewJob], holder: int | None, now: Instant) -> bool:
        numbers = self._names.make(names_of(jobs))
        if jobs:
            self._room.check(jobs, now)

        def work(db: Db) -> bool:
            written = holders.leads(db, holder) and schedules.write(db, row)
            if written and jobs:
                write_jobs(db, numbers, jobs, now.wall_ms)
            return written

        written = self._change(work)
        if written:
            self._wake({job.queue for job in jobs})
        return written

    def schedules(self, *, due_ms: int | None = None, after: str = "", limit: int = 100) -> Sequence[Scheduled]:
        if due_ms is not None:
            return self._connection.once(lambda db: schedules.due(db, due_ms, limit))
        return self._connection.once(lambda db: schedules.by_name(db, after, limit))

    def next_tick(self) -> int | None:
        return self._connection.once(schedules.next_tick)

    def drop_schedule(self, name: str) -> bool:
        return self._change(lambda db: schedules.drop(db, name))

    # -- what is known -------------------------------------------------------------------------------------------------

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        text = (
            "UPDATE oakum.job SET note = new.note FROM unnest($2::bigint[], $3::bytea[]) AS new(seq, note)"
            " WHERE job.state = 1 AND job.holder = $1 AND job.seq = new.seq"
        )
        self._connection.once(lambda db: db.run(text, (holder, list(notes), list(notes.values()))))
        self._ringer.ring("results")

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        numbers = self._names.make(measured)
        self._connection.write(lambda db: known.observe(db, numbers, measured))

    def stats(self) -> Mapping[str, TaskStats]:
        return self._connection.once(lambda db: known.stats(db, self._names))

    def pause(self, queue: str, paused: bool) -> None:
        number = self._names.make([queue])[queue]
        verb = "INSERT INTO oakum.paused(queue) VALUES($1) ON CONFLICT DO NOTHING"
        if not paused:
            verb = "DELETE FROM oakum.paused WHERE queue = $1"
        self._change(lambda db: db.run(verb, (number,)))
        self._ringer.wake([number])

    def paused(self) -> frozenset[str]:
        text = "SELECT text FROM oakum.paused JOIN oakum.name ON number = queue"
        return frozenset(queue for (queue,) in self._connection.once(lambda db: db.all(text)))

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        return self._connection.once(lambda db: read.outcome(db, id))

    def story(self, id: bytes) -> Story | None:
        return self._connection.once(lambda db: read.story(db, self._names, id))

    def jobs(self, query: JobQuery) -> Page:
        return self._connection.once(lambda db: read.jobs(db, self._names, query))

    def counts(self) -> Sequence[Count]:
        return self._connection.once(lambda db: tally.counts(db, self._names))

    def memo(self, name: str) -> bytes | None:
        row = self._connection.once(lambda db: db.one("SELECT value FROM oakum.memo WHERE name = $1", (name,)))
        return None if row is None else bytes(row[0])

    def keep_memo(self, name: str, value: bytes) -> None:
        text = "INSERT INTO oakum.memo VALUES($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._connection.once(lambda db: db.run(text, (name, value)))

    def flows(self) -> Sequence[Flow]:
        return self._connection.once(lambda db: tally.flows(db, self._names))

    def space(self) -> Space:
        return self._connection.once(lambda db: space.space(db, self._connection.address.schema))

    def _bound(self) -> Space:
        return self._connection.once(lambda db: space.bound(db, self._connection.address.schema))

    def warnings(self) -> Sequence[str]:
        return self._connection.once(lambda db: list(horizon.warnings(db)))

    # -- the store itself ----------------------------------------------------------------------------------------------

    def listen(self, topic: Topic) -> Bell:
        return self._tower.listen(topic)

    @property
    def moving(self) -> PostgresMoving:
        return PostgresMoving(self._connection, self._names)

    def close(self) -> None:
        self._tower.close()
        self._connection.close()

    def before_fork(self) -> None:
        """See `oakum.store.fork`."""
        self._group.before_fork()
        self._connection.before_fork()

    def after_fork(self, *, child: bool) -> None:
        """See `oakum.store.fork`."""
        if child:
            self._tower.close(child=True)
        self._connection.after_fork(child=child)
        self._group.after_fork(child=child)

    def _write(self, work: Callable[[Db], T]) -> T:
        """A verb that moves jobs."""
        return self._counted(self._connection.write(work))

    def _change(self, work: Callable[[Db], T]) -> T:
        """A verb that a store refuses that is shut."""

        def guarded(db: Db) -> T:
            notice.refuse(db, self._connection.address.shown)
            return work(db)

        return self._write(guarded)

    def _counted(self, done: T) -> T:
        """After each change of the count: now and then what has changed is added up."""
        self._told += 1
        if self._told >= tally.FOLD_AFTER:
            self._told = 0
            with contextlib.suppress(StoreError):  # the change is made, and what is not added up now is so next time
                self._connection.once(tally.fold)
        return done

    def _wake(self, queues: set[str]) -> None:
        self._ringer.wake(self._names.make(queues).values())
