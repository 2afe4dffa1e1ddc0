"""The store on Redis or Valkey itself: each verb of the protocol as one script, or one command."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError
from oakum.model.bounds import NO_RULES, Ruled, RuleKind, Rules
from oakum.model.ids import id_text
from oakum.model.job import Claimed, JobQuery, NewJob, State
from oakum.model.lifecycle import CANCELLED, EXPIRED, NOT_AGAIN, STARTS_KEPT, Settlement
from oakum.model.stats import TaskStats
from oakum.store.base import Bell, Count, Flow, Holder, Identity, Instant, Mark, Page, Space, Spent, Story, Topic, Want
from oakum.store.doubt import Doubt
from oakum.store.group import Undecided
from oakum.store.kept import Scheduled
from oakum.store.redis import read, schedules, server
from oakum.store.redis.address import parse
from oakum.store.redis.bell import BellTower
from oakum.store.redis.connection import Connection
from oakum.store.redis.intake import Intake, decode_rules, packed_ending
from oakum.store.redis.moving import RedisMoving
from oakum.store.redis.records import Batch, decode, decode_all, decode_names
from oakum.store.redis.wire import blob, blobs, encode
from oakum.store.room import StoreRoom

AT_ONCE: Final = 1000
PAGES_AT_ONCE: Final = 16
LOGS_KEPT_BYTES: Final = 64 * 1024 * 1024

_decode_identity: Final = msgspec.msgpack.Decoder(Identity).decode


class RedisStore:
    """See `oakum.store.base.Store`. `url` as in `oakum.store.redis.address`; nothing is connected before it is used."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(parse(url))
        self._tower = BellTower(self._connection)
        self._intake = Intake(self._call)
        self._room = StoreRoom(self.space, self._connection.address.shown)
        self._doubt = Doubt(self)
        self._unanswered: dict[int, bytes] = {}  # by holder, the stamp of a claim whose answer was lost

    @property
    def durability(self) -> str:
        return server.promise(self._connection.durability)

    def exists(self) -> bool:
        """Whether there is a store under the URL's prefix."""
        return self._connection.exists()

    # -- jobs come in and go out ---------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        if not jobs:
            return []
        batch = Batch()
        rows = [batch.row(job) for job in jobs]
        insert = partial(self._intake.call, "insert", batch.names, rows, now.wall_ms)
        try:
            self._room.check(jobs, now)
            marks = insert()
        except Undecided:
            marks = self._resolve(insert, jobs[0].id)
        except NotEnqueued:
            raise
        except StoreError as error:
            raise NotEnqueued(str(error)) from error
        self._room.look_ahead(now)
        return [Mark(place, owner) for place, owner in marks]

    def _resolve(self, insert: Any, first: bytes) -> Any:
        """Inserts once more, after an answer that was lost: the jobs that are in are found by their ids."""
        try:
            return insert()
        except NotEnqueued:  # the server has answered
            raise
        except StoreError as error:
            text = id_text(first)
            raise EnqueueUnknown(
                f"{error}; the job may be in: enqueue it again with the same id {text}", text
            ) from error

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        lost = self._unanswered.get(want.holder)
        stamp = lost or os.urandom(8)
        try:
            names, pairs = self._call(
                "claim", want.holder, want.queues, want.weights, want.room, want.limit, want.payload, now.wall_ms, blob(stamp),
                lost is not None, packed_ending(EXPIRED),
            )  # fmt: skip
        except Undecided:
            self._unanswered[want.holder] = stamp
            raise
        self._unanswered.pop(want.holder, None)
        return _claimed(names, pairs)

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        late: list[int] = []
        for first in range(0, len(settlements), AT_ONCE):
            batch = Batch()
            rows = [_settlement(each, batch) for each in settlements[first : first + AT_ONCE]]
            args = rows, holder, now.wall_ms, packed_ending(NOT_AGAIN), batch.names
            try:
                answer = self._intake.call("settle", *args, after=(STARTS_KEPT, LOGS_KEPT_BYTES))
            except Undecided:
                self._doubt.note(settlements, holder)
                raise
            late += [first + place for place in answer]
        return self._doubt.really_late(settlements, late, holder)

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        states: dict[bytes, State] = {}
        for some in _slices(ids):
            answer = self._call("cancel", blobs(some), now.wall_ms, packed_ending(CANCELLED))
            states |= zip(answer[::2], map(State, answer[1::2]), strict=True)
        return states

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        copied: dict[bytes, bytes] = {}
        for some in _slices(list(ids)):
            numbered, pairs = self._call("lookup", blobs(some))
            names = decode_names(numbered)
            copies = [job.copy(names, ids[job.id]) for job in decode_all(pairs) if job.state.terminal]
            held = {mark.place for mark in self.insert(copies, now)}
            copied |= {job.parent: job.id for place, job in enumerate(copies) if job.parent and place not in held}
        return copied

    def promote(self, now: Instant, limit: int = AT_ONCE) -> int:
        return int(self._call("promote", now.wall_ms, min(limit, AT_ONCE), packed_ending(EXPIRED)))

    def next_due(self, now: Instant) -> int | None:
        due: int | None = self._call("next_due", now.wall_ms)
        return due

    def prune(self, now: Instant, limit: int = AT_ONCE) -> int:
        return int(self._call("prune", now.wall_ms, min(limit, AT_ONCE)))

    def prunable(self, now: Instant) -> int:
        return int(self._ask("ZCOUNT", "ended", "-inf", now.wall_ms))

    def forget(self, ids: Sequence[bytes], now: Instant) -> int:
        return sum(self._call("forget", blobs(some), now.wall_ms) for some in _slices(ids))

    # -- those who hold them -------------------------------------------------------------------------------------------

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        return int(self._call("enrol", blob(encode(identity)), now.boot_ms + lease_ms))

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        return bool(self._call("renew", holder, now.boot_ms + lease_ms, blob(report)))

    def holders(self) -> Sequence[Holder]:
        return [
            Holder(int(number), _decode_identity(identity), int(lease), fenced == b"1", report)
            for number, identity, lease, fenced, report in self._call("holders")
        ]

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        return bool(self._call("fence", holder, seen_lease_ms))

    def discharge(self, holder: int) -> bool:
        self._doubt.forget(holder)
        self._unanswered.pop(holder, None)
        return bool(self._call("discharge", holder))

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        return _claimed(*self._call("held", holder, limit))

    def cancelled(self, holder: int) -> Sequence[int]:
        return [int(ref) for ref in self._ask("SMEMBERS", f"asked:{holder}")]

    # -- bounds and limits ---------------------------------------------------------------------------------------------

    def declare(self, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
        self._rule("declared", kind, {name: each if each != NO_RULES else None for name, each in rules.items()})

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        self._rule("override", kind, {name: rules})

    def spent(self, now: Instant) -> Sequence[Spent]:
        return [Spent(kind.decode(), name.decode(), at) for kind, name, at in self._call("spent", now.wall_ms)]

    def _rule(self, which: str, kind: RuleKind, rules: Mapping[str, Rules | None]) -> None:
        packed = [(name, _packed(each)) for name, each in rules.items()]
        untracked, roomier = self._call("rule", which, kind, packed)
        for queue in untracked:
            above = b"-"
            while (last := self._call("track", blob(queue), blob(above), PAGES_AT_ONCE)) is not None:
                above = b"(" + last
        for queue in roomier:
            cursor = b"0"
            while (cursor := self._call("seat", blob(queue), blob(cursor), AT_ONCE)) is not None:
                pass

    def rules(self, kind: RuleKind) -> Mapping[str, Ruled]:
        declared, override = (self._rules(f"{which}:{kind}") for which in ("declared", "override"))
        names = sorted(declared.keys() | override.keys())
        return {name: Ruled(declared.get(name, NO_RULES), override.get(name)) for name in names}

    def _rules(self, key: str) -> dict[str, Rules]:
        pairs = self._ask("HGETALL", key)
        return {name.decode(): decode_rules(packed) for name, packed in zip(pairs[::2], pairs[1::2], strict=True)}

    # -- schedules -----------------------------------------------------------------------------------------------------

    def write_schedule(self, row: Scheduled, jobs: Sequence[NewJob], holder: int | None, now: Instant) -> bool:
        if jobs:
            self._room.check(jobs, now)
        batch = Batch()
        rows = [batch.row(job) for job in jobs]
        return bool(self._intake.call("write_schedule", schedules.row(row), holder, batch.names, rows, now.wall_ms))

    def schedules(self, *, due_ms: int | None = None, after: str = "", limit: int = 100) -> Sequence[Scheduled]:
        return schedules.decode_all(self._call("schedules", due_ms, after, limit))

    def next_tick(self) -> int | None:
        first = self._ask("ZRANGE", "ticks", 0, 0, "WITHSCORES")
        return int(first[1]) if first else None

    def drop_schedule(self, name: str) -> bool:
        return bool(self._call("drop_schedule", name))

    # -- what is known -------------------------------------------------------------------------------------------------

    def memo(self, name: str) -> bytes | None:
        value: bytes | None = self._ask("HGET", "memo", name)
        return value

    def keep_memo(self, name: str, value: bytes) -> None:
        self._call("keep_memo", name, blob(value))

    def flows(self) -> Sequence[Flow]:
        return read.flows(*self._call("flows"))

    def space(self) -> Space:
        told, bound = self._call("space")
        return server.read_space(told, bound)

    def warnings(self) -> Sequence[str]:
        return ()

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        for some in _slices(list(notes.items())):
            self._call("progress", [(ref, blob(note)) for ref, note in some], holder)

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        if not measured:
            return
        done = False
        while not done:  # until nobody else measured in between
            known = self._ask("HMGET", "stats", *measured)
            changes = [
                (task, blob(old or b""), blob(_merged(old, measured[task])))
                for task, old in zip(measured, known, strict=True)
            ]
            done = bool(self._call("observe", changes))

    def stats(self) -> Mapping[str, TaskStats]:
        pairs = self._ask("HGETALL", "stats")
        return {task.decode(): TaskStats.decode(stats) for task, stats in zip(pairs[::2], pairs[1::2], strict=True)}

    def pause(self, queue: str, paused: bool) -> None:
        self._call("pause", queue, paused)

    def paused(self) -> frozenset[str]:
        return frozenset(queue.decode() for queue in self._ask("SMEMBERS", "paused"))

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        _, pairs = self._call("lookup", [blob(id)])
        if not pairs:
            return None
        job = decode(*pairs)
        return job.state, job.last

    def story(self, id: bytes) -> Story | None:
        return read.story(id, self._call("find", blob(id)))

    def jobs(self, query: JobQuery) -> Page:
        return read.jobs(partial(self._call, "pages"), query)

    def counts(self) -> Sequence[Count]:
        return read.counts(*self._call("counts"))

    # -- the store itself ----------------------------------------------------------------------------------------------

    def listen(self, topic: Topic) -> Bell:
        return self._tower.listen(topic)

    @property
    def moving(self) -> RedisMoving:
        return RedisMoving(self._connection)

    def close(self) -> None:
        self._tower.close()
        self._connection.close()

    def _call(self, verb: str, *args: Any) -> Any:
        answer = self._connection.call(verb, *args)
        self._tower.mend()
        return answer

    def _ask(self, command: str, key: str, *args: Any) -> Any:
        return self._connection.ask(command, self._connection.key + key, *args)


def _settlement(each: Settlement, batch: Batch) -> tuple[Any, ...]:
    """A row as `settle.lua` takes it."""
    return (
        blob(each.id), each.ref, each.token, each.state, each.run_at_ms, each.ended_ms, each.keep_until_ms, each.tries,
        each.crashes, each.over, each.suspect, blob(each.record), each.story, blob(each.log),
        [batch.row(job) for job in each.follow] or None,
    )  # fmt: skip


def _claimed(names: Any, pairs: Any) -> list[Claimed]:
    texts = decode_names(names)
    return [job.claimed(texts) for job in decode_all(pairs)]


def _packed(rules: Rules | None) -> Any:
    return None if rules is None else blob(encode(rules))


def _merged(old: bytes | None, measured: TaskStats) -> bytes:
    stats = TaskStats.decode(old) if old is not None else TaskStats()
    stats.merge(measured)
    return stats.encode()


def _slices(items: Sequence[Any]) -> Any:
    return (items[first : first + AT_ONCE] for first in range(0, len(items), AT_ONCE))
