"""The reference store: what every store does, in plain Python. For tests, and for reading.

It lives in one process: it ends with it, and a forked child can't share it. One lock makes each verb a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from oakum.model.bounds import Ruled, RuleKind, Rules
from oakum.model.ids import id_wall_ms
from oakum.model.intake import Owner, check_room, dropped, make_room, sort_out
from oakum.model.job import UNFINISHED, WAITING, Claimed, JobQuery, NewJob, State
from oakum.model.lifecycle import CANCELLED, EXPIRED, KEYS_KEPT_MS, NOT_AGAIN, STARTS_KEPT, Ending, Settlement
from oakum.model.stats import TaskStats
from oakum.store.base import Bell, Count, Flow, Holder, Identity, Instant, Mark, Page, Space, Spent, Story, Topic, Want
from oakum.store.kept import Scheduled, Start
from oakum.store.memory import keys
from oakum.store.memory.moving import MemoryMoving
from oakum.store.memory.rows import NO_HOLDER, Key, MemoryBell, Row, copy, counts, find, flows, load, over, page, taking
from oakum.store.memory.tables import Tables


class MemoryStore:
    """See `oakum.store.base.Store`."""

    def __init__(self) -> None:
        self._tables = Tables()

    @property
    def durability(self) -> str:
        return "memory: everything ends with the process"

    # -- jobs come in and go out ---------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        with self._tables.open(), self._tables.undone_on_error():
            self._tables.rules.admit(self._tables.rows.values())
            marks = self._insert(jobs, now.wall_ms)
        self._tables.ring("work")
        return marks

    def _insert(self, jobs: Sequence[NewJob], now_ms: int) -> list[Mark]:
        intake = sort_out(
            jobs, now_ms, self._tables.refs.__contains__, self._unique_owner, partial(self._key_owner, now_ms)
        )
        ending: dict[bytes, Ending] = {}
        for queue in {job.queue for job in intake.fresh}:
            ending |= self._make_room(queue, [job for job in intake.fresh if job.queue == queue], now_ms)
        for job in intake.fresh:
            self._put(job, now_ms, ending.get(job.id))
        for job in intake.replaced.values():
            self._replace(self._tables.rows[self._tables.refs[job.id]], job, now_ms)
        return [Mark(place, owner) for place, owner in intake.marks]

    def _unique_owner(self, key: bytes) -> Owner | None:
        row = self._tables.rows.get(self._tables.refs.get(self._tables.unique.get(key, b""), 0))
        return Owner(row.new.id, row.state, id_wall_ms(row.new.id), row.token > 0) if row is not None else None

    def _key_owner(self, now_ms: int, key: bytes) -> bytes | None:
        found = self._tables.idempotency.get(key)
        return found.id if found is not None and found.holds(now_ms) else None

    def _put(self, job: NewJob, now_ms: int, ending: Ending | None) -> None:
        self._tables.last_ref += 1
        row = Row(self._tables.last_ref, job, State.SCHEDULED, job.run_at_ms or now_ms)
        self._tables.rows[row.ref], self._tables.refs[job.id] = row, row.ref
        if job.unique is not None:
            self._tables.unique[job.unique.key] = job.id
        if job.idempotency is not None:
            self._tables.idempotency[job.idempotency] = Key(job.id)
        if ending is not None:
            self._end_waiting(row, ending, now_ms)
        elif job.run_at_ms <= now_ms:
            self._enter(row)

    def _replace(self, row: Row, job: NewJob, now_ms: int) -> None:
        """A waiting job takes what a new one with its key says."""
        if row.state.terminal:  # let go of by this same call
            return
        held, growth = load(self._tables.rows.values(), row.new.queue), len(job.payload) - len(row.new.payload)
        check_room(row.new.queue, self._tables.rules.of("queue", row.new.queue), held, 0, max(0, growth))
        row.new = taking(row.new, job)
        if job.run_at_ms:
            self._leave(row, now_ms)
            row.state, row.run_at_ms = State.SCHEDULED, job.run_at_ms
            if job.run_at_ms <= now_ms:
                self._enter(row)

    def _make_room(self, queue: str, jobs: Sequence[NewJob], now_ms: int) -> dict[bytes, Ending]:
        """Lets go of what a queue's bound demands; which of the new jobs end at once."""
        rules = self._tables.rules.of("queue", queue)
        if rules.max_jobs is None and rules.max_bytes is None:
            return {}
        waiting = sorted((row for row in self._in(*WAITING) if row.new.queue == queue), key=lambda row: row.ref)
        oldest = ((row, len(row.new.payload)) for row in waiting)
        room = make_room(queue, rules, load(self._tables.rows.values(), queue), jobs, oldest)
        ending = dropped(queue, rules)
        for row in room.waiting:
            self._end_waiting(row, ending, now_ms)
        return dict.fromkeys(room.new, ending)

    def declare(self, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
        with self._tables.open():
            for name, each in rules.items():
                self._tables.rules.declare(kind, name, each)
            self._ruled()

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        with self._tables.open():
            self._tables.rules.override(kind, name, rules)
            self._ruled()

    def rules(self, kind: RuleKind) -> Mapping[str, Ruled]:
        with self._tables.locked():
            return self._tables.rules.known(kind)

    def spent(self, now: Instant) -> Sequence[Spent]:
        with self._tables.locked():
            return self._tables.rules.holding_back(self._in(State.AVAILABLE), now.wall_ms)

    def _ruled(self) -> None:
        for row in self._in(State.HELD):  # there may be more places now
            self._pass_on(row, None)
        self._tables.ring("work", "room")

    def _enter(self, row: Row) -> None:
        keys.enter(row, self._of_key(row), self._tables.rules.of("queue", row.new.queue).key_limit)

    def _leave(self, row: Row, now_ms: int) -> None:
        if row.placed:
            row.placed = False
            self._pass_on(row, now_ms)

    def _pass_on(self, row: Row, now_ms: int | None) -> None:
        keys.pass_on(self._of_key(row), self._tables.rules.of("queue", row.new.queue).key_limit, now_ms)

    def _of_key(self, row: Row) -> list[Row]:
        """All of a job's key that have not ended."""
        key = row.new.queue, row.new.key
        return [each for each in self._in(*UNFINISHED) if key == (each.new.queue, each.new.key)]

    # -- claiming and settling -----------------------------------------------------------------------------------------

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        with self._tables.open():
            holder = self._tables.holders.get(want.holder)
            if holder is None or holder.fenced:
                return []
            self.promote(now)
            room, payload = want.room, want.payload
            taken: list[Row] = []
            for queue in want.queues:
                for row in sorted(self._ready(queue, want, now.wall_ms), key=lambda row: row.order):
                    opens_ms = self._tables.rules.may_start(row, self._in(State.RUNNING), now.wall_ms)
                    if opens_ms:  # put off, with its place
                        row.state, row.run_at_ms = State.SCHEDULED, opens_ms
                    if opens_ms != 0:
                        continue
                    weight = want.weights[row.new.task]
                    if weight > room or len(taken) == want.limit or (taken and len(row.new.payload) > payload):
                        break
                    room, payload = room - weight, payload - len(row.new.payload)
                    taken.append(row)
                    row.state, row.holder, row.token = State.RUNNING, want.holder, row.token + 1
                    self._tables.rules.start(row, now.wall_ms)
            return [row.claimed for row in taken]

    def _ready(self, queue: str, want: Want, now_ms: int) -> Iterator[Row]:
        if queue in self._tables.paused:
            return
        for row in self._in(State.AVAILABLE):
            weight = want.weights.get(row.new.task)
            if row.new.queue == queue and weight is not None and weight <= want.room and not row.expired(now_ms):
                yield row

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        with self._tables.locked(), self._tables.undone_on_error():
            late = [place for place, each in enumerate(settlements) if not self._settle(each, holder, now.wall_ms)]
            follow = [job for place, each in enumerate(settlements) if place not in late for job in each.follow]
            self._insert(follow, now.wall_ms)
        self._tables.ring("results", "work", "room")
        return late

    def _settle(self, each: Settlement, holder: int, now_ms: int) -> bool:
        row = self._tables.rows.get(each.ref)
        if row is None or (row.token, row.holder, row.state) != (each.token, holder, State.RUNNING):
            return False
        row.state, row.holder, row.record, row.progress = each.state, NO_HOLDER, each.record, None
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
            self._end(row, now_ms, each.ended_ms, each.keep_until_ms)
        elif row.cancel_asked:
            self._end_waiting(row, NOT_AGAIN, now_ms)
        return True

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        with self._tables.open():
            rows = self._tables.find(ids)
            for row in rows:
                if row.state is State.RUNNING:
                    row.cancel_asked = True
                elif row.state in WAITING:
                    self._end_waiting(row, CANCELLED, now.wall_ms)
            states = {row.new.id: row.state for row in rows}
        self._tables.ring("work", "results", "room")
        return states

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        with self._tables.locked():
            old = self._tables.find(ids)
            copies = [copy(row.new, ids[row.new.id]) for row in old if row.state.terminal]
            held = {mark.place for mark in self.insert(copies, now)}
            return {copy.parent: copy.id for place, copy in enumerate(copies) if copy.parent and place not in held}

    def promote(self, now: Instant, limit: int = 1000) -> int:
        with self._tables.open():
            expired = [row for row in self._in(*WAITING) if row.expired(now.wall_ms)]
            expired = sorted(expired, key=lambda row: (row.new.expires_ms, row.ref))[:limit]
            for row in expired:
                self._end_waiting(row, EXPIRED, now.wall_ms)
            due = [row for row in self._in(State.SCHEDULED) if row.run_at_ms <= now.wall_ms]
            due = sorted(due, key=lambda row: (row.run_at_ms, row.ref))[: limit - len(expired)]
            for row in due:
                self._enter(row)
            if expired:
                self._tables.ring("results", "room")
            return len(expired) + len(due)

    def next_due(self, now: Instant) -> int | None:
        with self._tables.locked():
            due = [row.run_at_ms for row in self._in(State.SCHEDULED)]
            expiring = [row.new.expires_ms for row in self._in(*WAITING) if row.new.expires_ms is not None]
            return min([*due, *expiring, *(each.opens_ms for each in self.spent(now))], default=None)

    def prune(self, now: Instant, limit: int = 1000) -> int:
        with self._tables.open():
            gone = over(self._tables.rows.values(), now.wall_ms)[:limit]
            for row in gone:
                del self._tables.rows[row.ref], self._tables.refs[row.new.id]
                self._tables.gone[row.new.queue, row.new.task] += 1
            self._tables.rules.forget_past(now.wall_ms)
            self._tables.unique = {
                key: owner for key, owner in self._tables.unique.items() if owner in self._tables.refs
            }
            for key in [key for key, held in self._tables.idempotency.items() if not held.holds(now.wall_ms)]:
                del self._tables.idempotency[key]
            return len(gone)

    def prunable(self, now: Instant) -> int:
        with self._tables.locked():
            return len(over(self._tables.rows.values(), now.wall_ms))

    def forget(self, ids: Sequence[bytes], now: Instant) -> int:
        with self._tables.open():
            rows = self._tables.find(dict.fromkeys(ids))
            kept = [row for row in rows if row.keep_until_ms is not None and row.keep_until_ms > now.wall_ms]
            for row in kept:
                row.keep_until_ms = now.wall_ms
            return len(kept)

    def _end_waiting(self, row: Row, ending: Ending, now_ms: int) -> None:
        row.state, row.record = ending.state, ending.record
        self._end(row, now_ms, now_ms, now_ms + ending.kept_ms)

    def _end(self, row: Row, now_ms: int, ended_ms: int, keep_until_ms: int | None) -> None:
        row.ended_ms, row.keep_until_ms, row.cancel_asked = ended_ms, keep_until_ms, False
        self._leave(row, now_ms)
        if row.new.idempotency is not None:
            self._tables.idempotency[row.new.idempotency].until_ms = now_ms + KEYS_KEPT_MS

    # -- those who hold them -------------------------------------------------------------------------------------------

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        with self._tables.open():
            self._tables.last_holder += 1
            self._tables.holders[self._tables.last_holder] = Holder(
                self._tables.last_holder, identity, now.boot_ms + lease_ms
            )
            return self._tables.last_holder

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        with self._tables.locked():
            known = self._tables.holders.get(holder)
            if known is None or known.fenced:
                return False
            self._tables.holders[holder] = replace(known, lease_until_ms=now.boot_ms + lease_ms, report=report)
            return True

    def holders(self) -> Sequence[Holder]:
        with self._tables.locked():
            return list(self._tables.holders.values())

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        with self._tables.locked():
            known = self._tables.holders.get(holder)
            if known is None or not (known.fenced or known.lease_until_ms == seen_lease_ms):
                return False
            self._tables.holders[holder] = replace(known, fenced=True)
            return True

    def discharge(self, holder: int) -> bool:
        with self._tables.locked():
            if self._held_by(holder):
                return False
            self._tables.holders.pop(holder, None)
            return True

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        with self._tables.locked():
            return [row.claimed for row in self._held_by(holder)[:limit]]

    def cancelled(self, holder: int) -> Sequence[int]:
        with self._tables.locked():
            return [row.ref for row in self._held_by(holder) if row.cancel_asked]

    def _held_by(self, holder: int) -> list[Row]:
        return [row for row in self._in(State.RUNNING) if row.holder == holder]

    # -- schedules -----------------------------------------------------------------------------------------------------

    def write_schedule(self, row: Scheduled, jobs: Sequence[NewJob], holder: int | None, now: Instant) -> bool:
        with self._tables.open():
            kept = self._tables.schedules.get(row.name)
            leads = holder is None or (holder in self._tables.holders and not self._tables.holders[holder].fenced)
            if not leads or row.version != (kept.version if kept is not None else 0) + 1:
                return False
            if jobs:
                self.insert(jobs, now)
            self._tables.schedules[row.name] = row
            return True

    def schedules(self, *, due_ms: int | None = None, after: str = "", limit: int = 100) -> Sequence[Scheduled]:
        with self._tables.locked():
            return page(self._tables.schedules.values(), due_ms, after)[:limit]

    def next_tick(self) -> int | None:
        with self._tables.locked():
            return min(
                (row.next_ms for row in self._tables.schedules.values() if row.next_ms is not None), default=None
            )

    def drop_schedule(self, name: str) -> bool:
        with self._tables.open():
            return self._tables.schedules.pop(name, None) is not None

    # -- what is known -------------------------------------------------------------------------------------------------

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        with self._tables.locked():
            for row in self._held_by(holder):
                row.progress = notes.get(row.ref, row.progress)
        self._tables.ring("results")

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        with self._tables.locked():
            for task, stats in measured.items():
                self._tables.stats.setdefault(task, TaskStats()).merge(stats)

    def stats(self) -> Mapping[str, TaskStats]:
        with self._tables.locked():
            return {task: TaskStats.decode(stats.encode()) for task, stats in self._tables.stats.items()}

    def pause(self, queue: str, paused: bool) -> None:
        with self._tables.open():
            self._tables.paused = self._tables.paused | {queue} if paused else self._tables.paused - {queue}
        self._tables.ring("work")

    def paused(self) -> frozenset[str]:
        with self._tables.locked():
            return frozenset(self._tables.paused)

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        with self._tables.locked():
            ref = self._tables.refs.get(id)
            return None if ref is None else (self._tables.rows[ref].state, self._tables.rows[ref].record)

    def story(self, id: bytes) -> Story | None:
        with self._tables.locked():
            row = self._tables.rows.get(self._tables.refs.get(id, 0))
            return None if row is None else row.story

    def jobs(self, query: JobQuery) -> Page:
        with self._tables.locked():
            return find(self._tables.rows.values(), query)

    def counts(self) -> Sequence[Count]:
        with self._tables.locked():
            return counts(self._tables.rows.values())

    def flows(self) -> Sequence[Flow]:
        with self._tables.locked():
            return flows(self._tables.rows.values(), self._tables.gone)

    def memo(self, name: str) -> bytes | None:
        with self._tables.locked():
            return self._tables.memos.get(name)

    def keep_memo(self, name: str, value: bytes) -> None:
        with self._tables.locked():
            self._tables.memos[name] = value

    def space(self) -> Space:
        with self._tables.locked():
            return self._tables.rules.space(self._tables.rows.values())

    def warnings(self) -> Sequence[str]:
        return ()

    # -- the store itself ----------------------------------------------------------------------------------------------

    def listen(self, topic: Topic) -> Bell:
        with self._tables.locked():
            self._tables.bells.append(bell := MemoryBell(self._tables.bells, topic))
            return bell

    @property
    def moving(self) -> MemoryMoving:
        return MemoryMoving(self._tables)

    def close(self) -> None:
        for bell in list(self._tables.bells):
            bell.close()

    def _in(self, *states: State) -> list[Row]:
        return [row for row in self._tables.rows.values() if row.state in states]
