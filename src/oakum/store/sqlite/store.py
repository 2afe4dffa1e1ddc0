"""The embedded store itself: each verb of the protocol as one transaction on one SQLite file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from oakum.errors import StoreError, StoreFull
from oakum.model.bounds import Ruled, RuleKind, Rules
from oakum.model.job import Claimed, JobQuery, NewJob, State
from oakum.model.lifecycle import Settlement
from oakum.model.stats import TaskStats
from oakum.store import fork
from oakum.store.base import (
    Bell,
    Count,
    Flow,
    Given,
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
)  # fmt: skip
from oakum.store.kept import Scheduled
from oakum.store.sqlite import bounds, claim, holders, keys, limits, offers, prune, read, schedules, settle, space
from oakum.store.sqlite import rules as ruling
from oakum.store.sqlite.bell import Listener
from oakum.store.sqlite.connection import PROMISE, Connection, Sync, fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.insert import Inserter, write_jobs
from oakum.store.sqlite.library import Library
from oakum.store.sqlite.moving import SqliteMoving
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.notice import refuse
from oakum.store.sqlite.offers import Gift
from oakum.store.sqlite.tally import Tally
from oakum.store.sqlite.within import write_within

_IDS_AT_ONCE: Final = 1000

T = TypeVar("T")


class SqliteStore:
    """See `oakum.store.base.Store`. `path` is the file; it is made when it is first used, not when this is constructed.

    `library` opens it, that of apsw where none is given.
    """

    def __init__(self, path: str, library: Library | None = None) -> None:
        self._connection = Connection(path, library)
        self._names = Names(self._connection)
        self._inserter = Inserter(self._connection, self._names, self._tell, self._own_bell)
        self._mine: Listener | None = None
        fork.register(self)

    @property
    def durability(self) -> str:
        return PROMISE

    # -- jobs come in and go out ---------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        return self._inserter.insert(jobs, now)

    def insert_within(self, connection: object, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.TransactionalStore`. `connection`: one of the store's own library; nobody can ring for its commit."""
        return write_within(self._connection, connection, jobs, now.wall_ms)

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        with self._connection.read() as db:  # a look first, so that an idle worker writes nothing
            given, due = offers.is_taken(db, want), claim.is_due(db, now.wall_ms)
            if not given and not due and not claim.look(db, self._names, want, now.wall_ms):
                refuse(db, self._connection.path)  # who finds nothing is to hear of it, too
                return []
        if given:  # no new work: it is done also where the store is shut
            return self.withdraw(want.holder, want.turn)
        taken = self._change("NORMAL", lambda db: self._claim(db, want, now))
        if due:
            self._ring_for_the_expired()
        return taken

    def _claim(self, db: Database, want: Want, now: Instant) -> list[Claimed]:
        taken = claim.claim(db, self._names, want, now.wall_ms)
        if taken and want.turn:
            taken += offers.end(db, self._names, want.holder, want.turn)
        return taken

    def offer(self, want: Want, now: Instant) -> None:
        """See `oakum.store.base.OfferStore`."""
        if self._mine is None or self._mine.fileno() < 0:
            return  # nobody could tell him
        self._names.make([*want.queues, *want.weights])
        self._change("NORMAL", lambda db: offers.leave(db, self._names, want, self._own_bell(), now.boot_ms))

    def given(self) -> Sequence[Given | None]:
        """See `oakum.store.base.OfferStore`."""
        return [] if self._mine is None else offers.heard(self._mine.rung, self._mine.word)

    def withdraw(self, holder: int, turn: int) -> Sequence[Claimed]:
        """See `oakum.store.base.OfferStore`."""
        return self._write("NORMAL", lambda db: offers.end(db, self._names, holder, turn))

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        if not settlements:
            return []
        following = [job for each in settlements if each.follow for job in each.follow]
        self._names.make({name for each in settlements for name in (each.queue, each.task)})
        self._names.make({name for job in following for name in (job.queue, job.task)})
        late = self._write("FULL", lambda db: settle.settle(db, self._names, settlements, holder, now.wall_ms))
        self._ring("results")
        self._ring("work")  # there may be more of it: what follows, what runs again, what a limit or a key held back
        self._ring("room")
        return late

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        states: dict[bytes, State] = {}
        for first in range(0, len(ids), _IDS_AT_ONCE):
            some = partial(settle.cancel, names=self._names, ids=ids[first : first + _IDS_AT_ONCE], now_ms=now.wall_ms)
            states |= self._change("FULL", some)
        self._ring("work")
        self._ring("results")
        self._ring("room")
        return states

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        with self._connection.read() as db:
            copies = [copy for old, new in ids.items() if (copy := read.copy(db, self._names, old, new)) is not None]
        there_already = {mark.place for mark in self.insert(copies, now)}
        return {
            copy.parent: copy.id
            for place, copy in enumerate(copies)
            if copy.parent is not None and place not in there_already
        }

    def promote(self, now: Instant, limit: int = 1000) -> int:
        with self._connection.read() as db:
            if not claim.is_due(db, now.wall_ms):
                return 0
        changed = self._change("NORMAL", lambda db: claim.promote(db, self._names, now.wall_ms, limit))
        self._ring_for_the_expired()
        return changed

    def _ring_for_the_expired(self) -> None:
        """Of what was due, some may have ended."""
        self._ring("results")
        self._ring("room")

    def next_due(self, now: Instant) -> int | None:
        with self._connection.read() as db:
            due, spent = claim.next_due(db), limits.spent(db, self._names, now.wall_ms)
        return min([*([] if due is None else [due]), *(each.opens_ms for each in spent)], default=None)

    def prune(self, now: Instant, limit: int = 1000) -> int:
        with self._connection.read() as db:
            if not prune.is_due(db, now.wall_ms):
                return 0
        return self._change("NORMAL", lambda db: prune.prune(db, now.wall_ms, limit))

    def prunable(self, now: Instant) -> int:
        with self._connection.read() as db:
            return prune.prunable(db, now.wall_ms)

    def forget(self, ids: Sequence[bytes], now: Instant) -> int:
        return self._change("FULL", lambda db: prune.forget(db, ids, now.wall_ms))

    # -- bounds and limits ---------------------------------------------------------------------------------------------

    def declare(self, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
        known = self.rules(kind)
        new = {name: each for name, each in rules.items() if known.get(name, Ruled()).declared != each}
        if new:
            self._rule(kind, new, lambda db: ruling.declare(db, kind, new))

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        self._rule(kind, [name], lambda db: ruling.override(db, kind, name, rules))

    def rules(self, kind: RuleKind) -> Mapping[str, Ruled]:
        with self._connection.read() as db:
            return {name: each for name, each in ruling.read(db, kind).items() if each != Ruled()}

    def spent(self, now: Instant) -> Sequence[Spent]:
        with self._connection.read() as db:
            return limits.spent(db, self._names, now.wall_ms)

    def _rule(self, kind: RuleKind, names: Iterable[str], change: Callable[[Database], None]) -> None:
        self._names.make(names)
        with self._connection.write("FULL") as db:
            refuse(db, self._connection.path)
            change(db)
            offers.void(db)
            if kind == "queue":
                tally = Tally()
                for name in names:
                    number = self._names.number(name)
                    keys.pass_on_all(db, self._names, number, tally)
                    if bounds.keeps_ages(ruling.in_force(db, kind, name)):
                        bounds.keep_ages(db, number)
                tally.save(db)
        self._ring("work")
        self._ring("room")

    # -- those who hold them -------------------------------------------------------------------------------------------

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        return self._change("FULL", lambda db: holders.enrol(db, identity, lease_ms, now))

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        renewed = self._write("NORMAL", lambda db: holders.renew(db, holder, lease_ms, report, now))
        self._connection.keep_log_short()
        return renewed

    def holders(self) -> Sequence[Holder]:
        with self._connection.read() as db:
            return holders.holders(db)

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        return self._write("FULL", lambda db: holders.fence(db, holder, seen_lease_ms))

    def discharge(self, holder: int) -> bool:
        return self._write("NORMAL", lambda db: holders.discharge(db, holder))

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        with self._connection.read() as db:
            return claim.held(db, self._names, holder, limit)

    def cancelled(self, holder: int) -> Sequence[int]:
        with self._connection.read() as db:
            return [seq for (seq,) in db.execute("SELECT seq FROM ask WHERE holder = ?", (holder,))]

    # -- schedules -----------------------------------------------------------------------------------------------------

    def write_schedule(self, row: Scheduled, jobs: Sequence[NewJob], holder: int | None, now: Instant) -> bool:
        self._names.make({name for job in jobs for name in (job.task, job.queue)})
        with self._connection.write("FULL") as db:
            refuse(db, self._connection.path)
            written = schedules.write(db, row, holder)
            if written and jobs:
                self._inserter.keep_room(db, jobs, now)
                tally = Tally()
                write_jobs(db, self._names, jobs, now.wall_ms, tally)
                tally.save(db)
        if written and jobs:
            self._ring("work")
        return written

    def schedules(self, *, due_ms: int | None = None, after: str = "", limit: int = 100) -> Sequence[Scheduled]:
        with self._connection.read() as db:
            if due_ms is not None:
                return schedules.due(db, due_ms, limit)
            return schedules.by_name(db, after, limit)

    def next_tick(self) -> int | None:
        with self._connection.read() as db:
            return schedules.next_tick(db)

    def drop_schedule(self, name: str) -> bool:
        return self._change("FULL", lambda db: schedules.drop(db, name))

    # -- what is known -------------------------------------------------------------------------------------------------

    def memo(self, name: str) -> bytes | None:
        with self._connection.read() as db:
            row = fetch_one(db, "SELECT value FROM memo WHERE name = ?", (name,))
            return None if row is None else bytes(row[0])

    def keep_memo(self, name: str, value: bytes) -> None:
        with self._connection.write("NORMAL") as db:
            db.execute("INSERT OR REPLACE INTO memo(name, value) VALUES(?, ?)", (name, value))

    def flows(self) -> Sequence[Flow]:
        with self._connection.read() as db:
            return read.flows(db, self._names)

    def space(self) -> Space:
        with self._connection.read() as db:
            return space.space(db, self._connection.path)

    def warnings(self) -> Sequence[str]:
        return ()

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        with self._connection.write("NORMAL") as db:
            db.executemany(
                "INSERT OR REPLACE INTO progress(seq, note) SELECT seq, ? FROM job WHERE seq = ? AND holder = ? AND state = 1",
                [(note, ref, holder) for ref, note in notes.items()],
            )
        self._ring("results")

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        self._names.make(measured)
        with self._connection.write("NORMAL") as db:
            for task, stats in measured.items():
                number = self._names.number(task)
                row = fetch_one(db, "SELECT stats FROM measured WHERE task = ?", (number,))
                known = TaskStats.decode(row[0]) if row is not None else TaskStats()
                known.merge(stats)
                db.execute("INSERT OR REPLACE INTO measured(task, stats) VALUES(?, ?)", (number, known.encode()))

    def stats(self) -> Mapping[str, TaskStats]:
        with self._connection.read() as db:
            rows = fetch_all(db, "SELECT task, stats FROM measured")
            return {self._names.text(db, task): TaskStats.decode(stats) for task, stats in rows}

    def pause(self, queue: str, paused: bool) -> None:
        self._names.make([queue])
        verb = "INSERT OR IGNORE INTO paused(queue) VALUES(?)" if paused else "DELETE FROM paused WHERE queue = ?"

        def change(db: Database) -> None:
            db.execute(verb, (self._names.number(queue),))
            offers.void(db)

        self._change("FULL", change)
        self._ring("work")

    def paused(self) -> frozenset[str]:
        with self._connection.read() as db:
            rows = fetch_all(db, "SELECT queue FROM paused")
            return frozenset(self._names.text(db, queue) for (queue,) in rows)

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        with self._connection.read() as db:
            return read.outcome(db, id)

    def story(self, id: bytes) -> Story | None:
        with self._connection.read() as db:
            return read.story(db, self._names, id)

    def jobs(self, query: JobQuery) -> Page:
        with self._connection.read() as db:
            return read.jobs(db, self._names, query)

    def counts(self) -> Sequence[Count]:
        with self._connection.read() as db:
            return read.counts(db, self._names)

    # -- the store itself ----------------------------------------------------------------------------------------------

    def listen(self, topic: Topic) -> Bell:
        listener = self._connection.tower.listen(topic)
        if topic == "work":
            self._mine = listener  # a worker knows of its own changes
        return listener

    @property
    def moving(self) -> SqliteMoving:
        return SqliteMoving(self._connection, self._names)

    def close(self) -> None:
        self._connection.close()
        self._names.forget()  # the file that is opened next may be another

    def before_fork(self) -> None:
        """See `oakum.store.fork`."""
        self._inserter.group.before_fork()
        self._connection.before_fork()

    def after_fork(self, *, child: bool) -> None:
        """See `oakum.store.fork`."""
        if child:
            self._mine = None  # that bell is the parent's, who is to be told
        self._connection.after_fork()
        self._inserter.group.after_fork(child=child)

    def _write(self, sync: Sync, work: Callable[[Database], T]) -> T:
        """One transaction; on a full disk it may have the ballast, since it finishes something or frees some room."""
        try:
            with self._connection.write(sync) as db:
                done = work(db)
        except StoreFull:
            self._connection.spare()
            with self._connection.write(sync) as db:
                done = work(db)
        if self._connection.sparing:
            self._connection.recover()
        return done

    def _change(self, sync: Sync, work: Callable[[Database], T]) -> T:
        """The same, unless the store is shut."""

        def guarded(db: Database) -> T:
            refuse(db, self._connection.path)
            return work(db)

        return self._write(sync, guarded)

    def _tell(self, gift: Gift | None) -> None:
        """There is a new job: tells all who wait for work, or the one to whom it was given."""
        if gift is None:
            self._ring("work")
            return
        try:
            if not self._connection.tower.tell(gift.offer.bell, gift.word()):
                self._take_back(gift)
        except StoreError:
            return  # he has it, and finds it when he looks

    def _take_back(self, gift: Gift) -> None:
        """The worker has gone without a word: the job is anybody's."""
        with self._connection.write("NORMAL") as db:
            tally = Tally()
            offers.take_back(db, self._names, gift, tally)
            tally.save(db)
        self._ring("work")

    def _ring(self, topic: Topic) -> None:
        with contextlib.suppress(StoreError):  # the change is made, and who was not told of it polls
            self._connection.tower.ring(topic, but=self._own_bell())

    def _own_bell(self) -> str:
        """The bell of this process's own worker: he knows of what is done here."""
        return self._mine.name if self._mine is not None else ""
