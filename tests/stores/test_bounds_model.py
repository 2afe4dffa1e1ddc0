"""Bounds, keys, limits and rates against the reference: whatever is asked of both, in whatever order, they answer the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, multiple, rule
from tests.stores.test_model import MEMORY, OFFSETS_MS, QUEUES, TASKS, Pair
from tests.support.redis import forget_redis

from oakum.errors import DuplicateJob, QueueFull
from oakum.model.bounds import Rate, Rules
from oakum.model.job import UNFINISHED, NewJob, State, Unique
from oakum.store.redis.store import RedisStore
from oakum.store.sqlite.store import SqliteStore

UNIQUE = st.builds(
    Unique,
    key=st.sampled_from((b"k", b"l", b"m")),
    conflict=st.sampled_from(("keep", "replace", "reject", "debounce")),
    states=st.sampled_from((UNFINISHED, (State.AVAILABLE,), tuple(State))),
    period_ms=st.sampled_from((None, None, 3000)),
    latest_ms=st.sampled_from((None, 2000)),
)
RATE = st.sampled_from((None, None, Rate(1, 4000), Rate(2, 6000)))
RULES = st.builds(
    Rules,
    max_jobs=st.sampled_from((None, None, 3, 12)),
    max_bytes=st.sampled_from((None, None, 5, 40)),
    on_full=st.sampled_from(("block", "reject", "drop_oldest", "drop_newest")),
    limit=st.sampled_from((None, None, 1, 3)),
    rate=RATE,
    key_limit=st.sampled_from((1, 1, 2)),
    key_rate=RATE,
)
JOB = st.tuples(
    st.sampled_from(TASKS),
    st.sampled_from((b"", b"p", b"ppppp")),
    st.sampled_from(QUEUES),
    st.integers(-1, 1),
    OFFSETS_MS,
    OFFSETS_MS,
    st.one_of(st.none(), UNIQUE),
    st.sampled_from((None, None, b"i", b"j")),
    st.sampled_from((None, "a", "a", "b")),
)


class BoundedPair(Pair):
    """The same two stores, with rules, and jobs that meet them."""

    def new_id(self) -> bytes:
        self.made += 1
        return ((self.now.wall_ms << 80) + self.made).to_bytes(16, "big")

    def both(self, act):
        """What both answer, or refuse."""
        mine, its = (self._told(act, store) for store in (self.memory, self.other))
        assert mine == its

    def _told(self, act, store):
        try:
            return act(store)
        except QueueFull as full:
            return str(full), full.queue, full.jobs, full.bytes, full.max_jobs, full.max_bytes, full.on_full
        except DuplicateJob as duplicate:
            return str(duplicate), duplicate.job_id

    @rule(target=Pair.ids, jobs=st.lists(JOB, min_size=1, max_size=5))
    def insert(self, jobs):
        new = [
            NewJob(
                self.new_id(), task, payload, queue, priority, self.at(run_at) or 0, self.at(expires), unique, idempotency, key=key
            )
            for task, payload, queue, priority, run_at, expires, unique, idempotency, key in jobs
        ]  # fmt: skip
        self.both(lambda store: store.insert(new, self.now))
        return multiple(*(job.id for job in new))

    def insert_plain(self, count):
        jobs = [NewJob(self.new_id(), TASKS[number % 2], b"", QUEUES[number % 3 == 2]) for number in range(count)]
        self.both(lambda store: store.insert(jobs, self.now))

    @rule(old=Pair.ids, task=st.sampled_from(TASKS))
    def insert_again(self, old, task):
        jobs = [NewJob(old, task, b"again"), NewJob(self.new_id(), task, b"new")]
        self.both(lambda store: store.insert(jobs, self.now))

    @rule(jobs=st.lists(Pair.ids, max_size=3))
    def retry(self, jobs):
        wanted = {job: self.new_id() for job in jobs}
        self.both(lambda store: store.retry(wanted, self.now))

    def settle_starts(self, batch, worker, follow):
        mine = {id(self.memory): [self.judge(memory, outcome, follow) for (_, memory, _), outcome in batch]}
        its = {id(self.other): [self.judge(other, outcome, follow) for (_, _, other), outcome in batch]}
        endings = mine | its
        self.both(lambda store: store.settle(endings[id(store)], worker, self.now))

    @rule(place=st.integers(0, 3), rules=RULES)
    def declare(self, place, rules):
        kind, name = self._ruled(place)
        self.both(lambda store: store.declare(kind, {name: rules}))
        self.both(lambda store: store.rules(kind))

    @rule(place=st.integers(0, 3), rules=st.one_of(st.none(), RULES))
    def override(self, place, rules):
        kind, name = self._ruled(place)
        self.both(lambda store: store.override(kind, name, rules))
        self.both(lambda store: store.rules(kind))

    def _ruled(self, place):
        return (("queue", QUEUES[0]), ("queue", QUEUES[1]), ("task", TASKS[0]), ("task", TASKS[1]))[place]

    @rule(jobs=st.lists(Pair.ids, max_size=4))
    def forget(self, jobs):
        self.both(lambda store: store.forget(jobs, self.now))

    @invariant()
    def as_much_has_gone_through(self):
        self.both(lambda store: sorted(store.flows(), key=str))
        self.both(lambda store: sorted(store.counts(), key=str))


class SqlitePair(BoundedPair):
    def open_other(self):
        self.directory = Path(tempfile.mkdtemp(dir=MEMORY))
        return SqliteStore(str(self.directory / "work.db"))

    def teardown(self):
        super().teardown()
        shutil.rmtree(self.directory)


class RedisPair(BoundedPair):
    def open_other(self):
        self.prefix = f"test-{uuid4().hex}"
        return RedisStore(f"{os.environ['OAKUM_TEST_REDIS']}?prefix={self.prefix}")

    def teardown(self):
        super().teardown()
        forget_redis(os.environ["OAKUM_TEST_REDIS"], self.prefix)


TestSqlite, TestRedis = SqlitePair.TestCase, RedisPair.TestCase
TestSqlite.settings = TestRedis.settings = settings(max_examples=50, stateful_step_count=30)
