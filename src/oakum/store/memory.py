"""The reference store, `memory://`: what every store does, in plain Python. For tests, and for reading.

It lives in one process: it ends with it, and a forked child can't share it. One lock makes each verb a transaction.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from oakum.errors import StoreError
from oakum.model.ids import id_wall_ms
from oakum.model.job import WAITING, Claimed, JobQuery, JobView, NewJob, State
from oakum.model.lifecycle import CANCELLED, EXPIRED, KEYS_KEPT_MS, NOT_AGAIN, STARTS_KEPT, Ending, Settlement
from oakum.model.stats import TaskStats
from oakum.store.base import Bell, Count, Holder, Identity, Instant, Mark, Page, Scheduled, Start, Story, Topic, Want

_NO_HOLDER: Final = 0


@dataclass(slots=True)
class _Row:
    """One job. `ref` is its place in the order of insertion."""

    ref: int
    new: NewJob
    state: State
    run_at_ms: int
    holder: int = _NO_HOLDER
    token: int = 0
    tries: int = 0
    crashes: int = 0
    over: int = 0
    suspect: bool = False
    ended_ms: int | None = None
    keep_until_ms: int | None = None
    record: bytes | None = None
    progress: bytes | None = None
    cancel_asked: bool = False
    starts: list[Start] = field(default_factory=list)
    logs: dict[int, bytes] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, int, int]:
        """What comes first in a queue."""
        return -self.new.priority, self.run_at_ms, self.ref

    def expired(self, now_ms: int) -> bool:
        """Whether it is too late to start it."""
        return self.new.expires_ms is not None and self.new.expires_ms <= now_ms

    @property
    def claimed(self) -> Claimed:
        """The job as its worker sees it."""
        new = self.new
        return Claimed(
            self.ref, new.id, new.task, new.queue, new.payload, self.token,
            self.tries, self.crashes, self.over, self.suspect, new.overrides, new.tags,
        )  # fmt: skip

    @property
    def view(self) -> JobView:
        """The job as people see it."""
        new = self.new
        return JobView(
            new.id, new.task, new.queue, self.state, new.priority, id_wall_ms(new.id), self.run_at_ms, self.ended_ms,
            new.expires_ms, self.tries, self.crashes, self.over, self.token, new.payload, self.record, new.tags,
            new.parent, self.progress,
        )  # fmt: skip


@dataclass(slots=True)
class _Key:
    """Who holds a unique or idempotency key; `until_ms` None: as long as that job lives, and then as it says."""

    id: bytes
    until_ms: int | None = None

    def holds(self, now_ms: int) -> bool:
        """Whether nobody else may have the key."""
        return self.until_ms is None or self.until_ms > now_ms


class MemoryStore:
    """See `oakum.store.base.Store`."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._last_ref = self._last_holder = 0
        self._rows: dict[int, _Row] = {}
        self._refs: dict[bytes, int] = {}
        self._unique: dict[bytes, _Key] = {}
        self._idempotency: dict[bytes, _Key] = {}
        self._holders: dict[int, Holder] = {}
        self._stats: dict[str, TaskStats] = {}
        self._paused: set[str] = set()
        self._schedules: dict[str, Scheduled] = {}
        self._bells: list[_Bell] = []

    @property
    def durability(self) -> str:
        return "memory: everything ends with the process"

    # -- jobs come in and go out ---------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        with self._all():
            marks = [
                Mark(place, owner)
                for place, job in enumerate(jobs)
                if (owner := self._insert(job, now.wall_ms)) != job.id
            ]
        self._ring("work")
        return marks

    def _insert(self, job: NewJob, now_ms: int) -> bytes:
        """The id of the job that is in: `job`'s own, or that of the holder of one of its keys."""
        wanted = [(self._unique, job.unique.key if job.unique else None), (self._idempotency, job.idempotency)]
        keys = [(table, key) for table, key in wanted if key is not None]
        for table, key in keys:
            found = table.get(key)
            if found is not None and found.holds(now_ms):
                return found.id
        if job.id not in self._refs:
            self._last_ref += 1
            state = State.SCHEDULED if job.run_at_ms > now_ms else State.AVAILABLE
            self._rows[self._last_ref] = _Row(self._last_ref, job, state, job.run_at_ms or now_ms)
            self._refs[job.id] = self._last_ref
            for table, key in keys:
                table[key] = _Key(job.id)
        return job.id

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        with self._all():
            holder = self._holders.get(want.holder)
            if holder is None or holder.fenced:
                return []
            self.promote(now)
            room = want.room
            taken: list[_Row] = []
            for queue in want.queues:
                for row in sorted(self._ready(queue, want, now.wall_ms), key=lambda row: row.order):
                    weight = want.weights[row.new.task]
                    if weight > room or len(taken) == want.limit:
                        break
                    room -= weight
                    taken.append(row)
                    row.state, row.holder, row.token = State.RUNNING, want.holder, row.token + 1
            return [row.claimed for row in taken]

    def _ready(self, queue: str, want: Want, now_ms: int) -> Iterator[_Row]:
        if queue in self._paused:
            return
        for row in self._in(State.AVAILABLE):
            weight = want.weights.get(row.new.task)
            if row.new.queue == queue and weight is not None and weight <= want.room and not row.expired(now_ms):
                yield row

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        with self._all():
            late = [place for place, each in enumerate(settlements) if not self._settle(each, holder, now.wall_ms)]
            for place, each in enumerate(settlements):
                for job in each.follow if place not in late else ():
                    self._insert(job, now.wall_ms)
        self._ring("results")
        self._ring("work")
        return late

    def _settle(self, each: Settlement, holder: int, now_ms: int) -> bool:
        row = self._rows.get(each.ref)
        if row is None or (row.token, row.holder, row.state) != (each.token, holder, State.RUNNING):
            return False
        row.state, row.holder, row.record, row.progress = each.state, _NO_HOLDER, each.record, None
        row.tries, row.crashes, row.over, row.suspect = each.tries, each.crashes, each.over, each.suspect
        row.run_at_ms = each.run_at_ms or row.run_at_ms
        if each.story and each.record is not None:
            row.starts.append(Start(each.token, now_ms, each.record))
        if each.log:
            row.logs[each.token] = each.log
        too_old = each.token - STARTS_KEPT
        row.starts = [start for start in row.starts if start.token > too_old]
        row.logs = {token: log for token, log in row.logs.items() if token > too_old}
        if each.ended_ms is not None:
            self._end(row, each.ended_ms, each.keep_until_ms)
        elif row.cancel_asked:
            self._end_waiting(row, NOT_AGAIN, now_ms)
        return True

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        with self._all():
            rows = [self._rows[self._refs[each]] for each in ids if each in self._refs]
            for row in rows:
                if row.state is State.RUNNING:
                    row.cancel_asked = True
                elif row.state in WAITING:
                    self._end_waiting(row, CANCELLED, now.wall_ms)
            states = {row.new.id: row.state for row in rows}
        self._ring("work")
        self._ring("results")
        return states

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        with self._all():
            old = [self._rows[self._refs[each]] for each in ids if each in self._refs]
            copies = [_copy(row.new, ids[row.new.id]) for row in old if row.state.terminal]
            held = {mark.place for mark in self.insert(copies, now)}
            return {copy.parent: copy.id for place, copy in enumerate(copies) if copy.parent and place not in held}

    def promote(self, now: Instant, limit: int = 1000) -> int:
        with self._all():
            expired = [row for row in self._in(*WAITING) if row.expired(now.wall_ms)]
            expired = sorted(expired, key=lambda row: (row.new.expires_ms, row.ref))[:limit]
            for row in expired:
                self._end_waiting(row, EXPIRED, now.wall_ms)
            due = [row for row in self._in(State.SCHEDULED) if row.run_at_ms <= now.wall_ms]
            due = sorted(due, key=lambda row: (row.run_at_ms, row.ref))[: limit - len(expired)]
            for row in due:
                row.state = State.AVAILABLE
            return len(expired) + len(due)

    def next_due(self) -> int | None:
        with self._all():
            due = [row.run_at_ms for row in self._in(State.SCHEDULED)]
            expiring = [row.new.expires_ms for row in self._in(*WAITING) if row.new.expires_ms is not None]
            return min(due + expiring, default=None)

    def prune(self, now: Instant, limit: int = 1000) -> int:
        with self._all():
            over = sorted(self._over(now), key=lambda row: (row.keep_until_ms, row.ref))[:limit]
            for row in over:
                del self._rows[row.ref], self._refs[row.new.id]
            for key in [key for key, held in self._idempotency.items() if not held.holds(now.wall_ms)]:
                del self._idempotency[key]
            return len(over)

    def prunable(self, now: Instant) -> int:
        with self._all():
            return len(self._over(now))

    def _over(self, now: Instant) -> list[_Row]:
        return [
            row for row in self._rows.values() if row.keep_until_ms is not None and row.keep_until_ms <= now.wall_ms
        ]

    def _end_waiting(self, row: _Row, ending: Ending, now_ms: int) -> None:
        row.state, row.record = ending.state, ending.record
        self._end(row, now_ms, now_ms + ending.kept_ms)

    def _end(self, row: _Row, now_ms: int, keep_until_ms: int | None) -> None:
        row.ended_ms, row.keep_until_ms, row.cancel_asked = now_ms, keep_until_ms, False
        if row.new.unique is not None and self._unique[row.new.unique.key].id == row.new.id:
            del self._unique[row.new.unique.key]
        if row.new.idempotency is not None:
            self._idempotency[row.new.idempotency].until_ms = now_ms + KEYS_KEPT_MS

    # -- those who hold them -------------------------------------------------------------------------------------------

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        with self._all():
            self._last_holder += 1
            self._holders[self._last_holder] = Holder(self._last_holder, identity, now.boot_ms + lease_ms)
            return self._last_holder

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        with self._all():
            known = self._holders.get(holder)
            if known is None or known.fenced:
                return False
            self._holders[holder] = replace(known, lease_until_ms=now.boot_ms + lease_ms, report=report)
            return True

    def holders(self) -> Sequence[Holder]:
        with self._all():
            return list(self._holders.values())

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        with self._all():
            known = self._holders.get(holder)
            if known is None or not (known.fenced or known.lease_until_ms == seen_lease_ms):
                return False
            self._holders[holder] = replace(known, fenced=True)
            return True

    def discharge(self, holder: int) -> bool:
        with self._all():
            if self._held_by(holder):
                return False
            self._holders.pop(holder, None)
            return True

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        with self._all():
            return [row.claimed for row in self._held_by(holder)[:limit]]

    def cancelled(self, holder: int) -> Sequence[int]:
        with self._all():
            return [row.ref for row in self._held_by(holder) if row.cancel_asked]

    def _held_by(self, holder: int) -> list[_Row]:
        return [row for row in self._in(State.RUNNING) if row.holder == holder]

    # -- schedules -----------------------------------------------------------------------------------------------------

    def write_schedule(self, row: Scheduled, jobs: Sequence[NewJob], holder: int | None, now: Instant) -> bool:
        with self._all():
            kept = self._schedules.get(row.name)
            leads = holder is None or (holder in self._holders and not self._holders[holder].fenced)
            if not leads or row.version != (kept.version if kept is not None else 0) + 1:
                return False
            if jobs:
                self.insert(jobs, now)
            self._schedules[row.name] = row
            return True

    def schedules(self, *, due_ms: int | None = None, after: str = "", limit: int = 100) -> Sequence[Scheduled]:
        with self._all():
            rows = self._schedules.values()
            if due_ms is None:
                return sorted((row for row in rows if row.name > after), key=lambda row: row.name)[:limit]
            due = [(row.next_ms, row.name) for row in rows if row.next_ms is not None and row.next_ms <= due_ms]
            return [self._schedules[name] for _, name in sorted(due)[:limit]]

    def next_tick(self) -> int | None:
        with self._all():
            return min((row.next_ms for row in self._schedules.values() if row.next_ms is not None), default=None)

    def drop_schedule(self, name: str) -> bool:
        with self._all():
            return self._schedules.pop(name, None) is not None

    # -- what is known -------------------------------------------------------------------------------------------------

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        with self._all():
            for row in self._held_by(holder):
                row.progress = notes.get(row.ref, row.progress)
        self._ring("results")

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        with self._all():
            for task, stats in measured.items():
                self._stats.setdefault(task, TaskStats()).merge(stats)

    def stats(self) -> Mapping[str, TaskStats]:
        with self._all():
            return {task: TaskStats.decode(stats.encode()) for task, stats in self._stats.items()}

    def pause(self, queue: str, paused: bool) -> None:
        with self._all():
            if paused:
                self._paused.add(queue)
            else:
                self._paused.discard(queue)
        self._ring("work")

    def paused(self) -> frozenset[str]:
        with self._all():
            return frozenset(self._paused)

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        with self._all():
            ref = self._refs.get(id)
            return None if ref is None else (self._rows[ref].state, self._rows[ref].record)

    def story(self, id: bytes) -> Story | None:
        with self._all():
            ref = self._refs.get(id)
            if ref is None:
                return None
            row = self._rows[ref]
            log = b"".join(row.logs.values()).decode("utf-8", "replace")
            return Story(row.view, tuple(row.starts), log, row.cancel_asked)

    def jobs(self, query: JobQuery) -> Page:
        with self._all():
            views = sorted((row.view for row in self._rows.values()), key=lambda view: view.id, reverse=True)
            found = tuple(view for view in views if _fits(view, query))[: query.limit]
            return Page(found, found[-1].id if len(found) == query.limit else None)

    def counts(self) -> Sequence[Count]:
        with self._all():
            jobs = Counter((row.new.queue, row.new.task, row.state) for row in self._rows.values())
            return [Count(*key, number) for key, number in jobs.items()]

    # -- the store itself ----------------------------------------------------------------------------------------------

    def listen(self, topic: Topic) -> Bell:
        with self._all():
            bell = _Bell(self._bells, topic)
            self._bells.append(bell)
            return bell

    def close(self) -> None:
        for bell in list(self._bells):
            bell.close()

    def _ring(self, topic: Topic) -> None:
        for bell in list(self._bells):
            if bell.topic == topic:
                bell.ring()

    def _in(self, *states: State) -> list[_Row]:
        return [row for row in self._rows.values() if row.state in states]

    @contextmanager
    def _all(self) -> Iterator[None]:
        """The one lock, around a whole verb."""
        if os.getpid() != self._pid:
            raise StoreError(
                "memory://: this store belongs to the process that this one was forked from; use sqlite:///work.db"
            )
        with self._lock:
            yield


class _Bell:
    """See `oakum.store.base.Bell`."""

    def __init__(self, bells: list[_Bell], topic: Topic) -> None:
        self.topic = topic
        self._bells = bells
        self._rung = threading.Event()

    def ring(self) -> None:
        """Wakes whoever waits."""
        self._rung.set()

    def fileno(self) -> int:
        return -1

    def wait(self, timeout: float) -> bool:
        rung = self._rung.wait(timeout)
        self.drain()
        return rung

    def drain(self) -> None:
        self._rung.clear()

    def close(self) -> None:
        with suppress(ValueError):
            self._bells.remove(self)


def _copy(job: NewJob, id: bytes) -> NewJob:
    """A fresh copy of an ended job."""
    return NewJob(
        id, job.task, job.payload, job.queue, job.priority,
        unique=job.unique, overrides=job.overrides, tags=job.tags, parent=job.id, key=job.key,
    )  # fmt: skip


def _fits(view: JobView, query: JobQuery) -> bool:
    return (
        (not query.states or view.state in query.states)
        and (query.task is None or view.task == query.task)
        and (query.queue is None or view.queue == query.queue)
        and (query.tag is None or query.tag in view.tags)
        and (query.before is None or view.id < query.before)
    )
