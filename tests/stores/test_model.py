"""Each store against the reference: whatever is asked of both, in whatever order, they answer the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from msgspec.structs import replace
from tests.support.postgres import make_empty
from tests.support.redis import forget_redis

from oakum.clock import FakeClock
from oakum.model.job import Claimed, JobQuery, NewJob, Overrides, State, Unique
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed, Failed, Lost, OverBudget, Released, Snoozed, Usage
from oakum.model.retry import RetryRule
from oakum.model.stats import TaskStats
from oakum.model.task import TaskSpec
from oakum.store.base import Identity, Instant, Store, Want
from oakum.store.memory import MemoryStore
from oakum.store.postgres.store import PostgresStore
from oakum.store.redis.store import RedisStore
from oakum.store.sqlite.store import SqliteStore

TASKS, QUEUES, KEYS = ("a", "b"), ("default", "other"), (None, None, None, b"k", b"l")
SPEC = TaskSpec("t", retry=(RetryRule(3, delay_s=5, jitter=0),), result_ttl_s=60)
MEMORY = next((path for path in ("/dev/shm",) if os.access(path, os.W_OK)), None)  # thousands of commits
OUTCOMES = (
    Completed(b"r"), Failed("E"), Failed("E", retry=-1), Snoozed(3.0), Snoozed(0.0), Lost("gone"), Lost("gone", host=True),
    Released(), Released(alone=True), OverBudget(2, 1),
)  # fmt: skip
SECONDS = st.sampled_from((0.5, 1, 5, 6, 60, 90_000))
OFFSETS_MS = st.sampled_from((None, None, -2_000, 0, 1_000, 4_000, 70_000))


class Pair(RuleBasedStateMachine):
    """Both stores, side by side. Jobs are told apart by id: each store has its own refs."""

    ids = Bundle("ids")
    workers = Bundle("workers")
    starts = Bundle("starts")

    @initialize(target=workers)
    def open(self):
        self.memory, self.other = MemoryStore(), self.open_other()
        self.clock = FakeClock()
        self.made = 0
        self.insert_plain(9)
        return multiple(*(self.enrol() for _ in range(4)))

    def open_other(self) -> Store:
        """The store that is to be like the reference."""
        raise NotImplementedError

    def teardown(self):
        self.other.close()

    @property
    def now(self) -> Instant:
        return Instant.read(self.clock)

    def new_id(self) -> bytes:
        self.made += 1
        return self.made.to_bytes(16, "big")

    def at(self, offset_ms: int | None) -> int | None:
        return None if offset_ms is None else self.now.wall_ms + offset_ms

    @rule(
        target=ids,
        task=st.sampled_from(TASKS),
        queue=st.sampled_from(QUEUES),
        priority=st.integers(-1, 1),
        run_at=OFFSETS_MS,
        expires=OFFSETS_MS,
        unique=st.sampled_from(KEYS),
        idempotency=st.sampled_from(KEYS),
        tags=st.sampled_from(((), ("x",), ("x", "y"))),
        count=st.integers(1, 5),
    )
    def insert(self, task, queue, priority, run_at, expires, unique, idempotency, tags, count):
        jobs = [
            NewJob(
                self.new_id(), task, b"p", queue, priority, self.at(run_at) or 0, self.at(expires), unique and Unique(unique), idempotency,
                Overrides(retries=1) if priority else None, tags,
            )
            for _ in range(count)
        ]  # fmt: skip
        assert self.memory.insert(jobs, self.now) == self.other.insert(jobs, self.now)
        return multiple(*(job.id for job in jobs))

    def insert_plain(self, count):
        jobs = [NewJob(self.new_id(), TASKS[number % 2], b"", QUEUES[number % 3 == 2]) for number in range(count)]
        assert self.memory.insert(jobs, self.now) == self.other.insert(jobs, self.now)

    @rule(old=ids, task=st.sampled_from(TASKS))
    def insert_again(self, old, task):
        jobs = [NewJob(old, task, b"again"), NewJob(self.new_id(), task, b"new"), NewJob(old, task, b"and again")]
        assert self.memory.insert(jobs, self.now) == self.other.insert(jobs, self.now)

    @rule(target=workers)
    def another_worker(self):
        return self.enrol()

    def enrol(self):
        identity = Identity("host", "boot", 1, 2, 3)
        worker = self.memory.enrol(identity, 10_000, self.now)
        assert worker == self.other.enrol(identity, 10_000, self.now)
        return worker

    @rule(worker=workers)
    def renew(self, worker):
        assert self.memory.renew(worker, 10_000, b"r", self.now) == self.other.renew(worker, 10_000, b"r", self.now)

    @rule(worker=workers, off=st.sampled_from((0, 1, 1, 1)))
    def fence(self, worker, off):
        lease = next((each.lease_until_ms for each in self.memory.holders() if each.number == worker), 0) + off
        assert self.memory.fence(worker, lease) == self.other.fence(worker, lease)

    @rule(worker=workers)
    def discharge(self, worker):
        assert self.memory.discharge(worker) == self.other.discharge(worker)

    @rule(
        target=starts,
        worker=workers,
        queues=st.permutations(QUEUES),
        weights=st.dictionaries(st.sampled_from(TASKS), st.integers(1, 4), min_size=1),
        room=st.integers(1, 8),
        limit=st.integers(1, 5),
    )
    def claim(self, worker, queues, weights, room, limit):
        return multiple(*self.take(Want(worker, tuple(queues), weights, room, limit)))

    def take(self, want):
        mine, its = self.memory.claim(want, self.now), self.other.claim(want, self.now)
        assert [replace(job, ref=0) for job in mine] == [replace(job, ref=0) for job in its]
        return [(want.holder, *both) for both in zip(mine, its, strict=True)]

    @rule(
        target=starts,
        worker=workers,
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=3, max_size=3),
        cancelled=st.booleans(),
        seconds=st.sampled_from((0, 0, 6, 60)),
    )
    def work(self, worker, outcomes, cancelled, seconds):
        """What a worker does all day: takes a few jobs, and settles them some time later; and more come in."""
        self.insert_plain(2)
        taken = self.take(Want(worker, QUEUES, dict.fromkeys(TASKS, 1), 3, 3))
        if cancelled:
            self.cancel([memory.id for _, memory, _ in taken[:1]])
        for start in taken[1:]:
            self.progress_of(start)
        self.clock.advance(seconds)
        if taken:
            self.settle_starts(list(zip(taken, outcomes, strict=False)), worker, ())
        return multiple(*taken)  # to be settled once more, too late

    @rule(
        batch=st.lists(st.tuples(starts, st.sampled_from(OUTCOMES)), min_size=1, max_size=4),
        wrong_holder=st.integers(0, 9),
        follows=st.booleans(),
    )
    def settle(self, batch, wrong_holder, follows):
        """Starts are settled in any order, too late, twice, and sometimes by the wrong worker."""
        worker = batch[0][0][0] + (1 if wrong_holder == 9 else 0)
        self.settle_starts(batch, worker, (NewJob(self.new_id(), "a", b"f", unique=Unique(b"k")),) if follows else ())

    def settle_starts(self, batch, worker, follow):
        mine = [self.judge(memory, outcome, follow) for (_, memory, _), outcome in batch]
        its = [self.judge(other, outcome, follow) for (_, _, other), outcome in batch]
        assert self.memory.settle(mine, worker, self.now) == self.other.settle(its, worker, self.now)

    def judge(self, job: Claimed, outcome, follow):
        usage, grow = Usage(1, 2, 3), isinstance(outcome, OverBudget)
        return settle(job, outcome, usage, SPEC, self.now.wall_ms, 0.5, may_grow=grow, log=b"log ", follow=follow)

    @rule(jobs=st.lists(ids, max_size=4))
    def cancel(self, jobs):
        assert self.memory.cancel(jobs, self.now) == self.other.cancel(jobs, self.now)

    @rule(jobs=st.lists(ids, max_size=3))
    def retry(self, jobs):
        wanted = {job: self.new_id() for job in jobs}
        assert self.memory.retry(wanted, self.now) == self.other.retry(wanted, self.now)

    @rule(limit=st.sampled_from((1, 2, 1000)))
    def promote(self, limit):
        assert self.memory.promote(self.now, limit) == self.other.promote(self.now, limit)

    @rule(limit=st.sampled_from((1, 2, 1000)))
    def prune(self, limit):
        assert self.memory.prunable(self.now) == self.other.prunable(self.now)
        assert self.memory.prune(self.now, limit) == self.other.prune(self.now, limit)

    @rule(start=starts)
    def progress(self, start):
        self.progress_of(start)

    def progress_of(self, start):
        worker, memory, other = start
        self.memory.progress({memory.ref: b"half"}, worker)
        self.other.progress({other.ref: b"half"}, worker)

    @rule(task=st.sampled_from(TASKS), peak=st.integers(0, 1 << 50))
    def observe(self, task, peak):
        stats = TaskStats()
        stats.runs = 1
        stats.peak.add(peak)
        self.memory.observe({task: stats})
        self.other.observe({task: stats})

    @rule(queue=st.sampled_from(QUEUES), paused=st.sampled_from((False, False, True)))
    def pause(self, queue, paused):
        self.memory.pause(queue, paused)
        self.other.pause(queue, paused)

    @rule(seconds=SECONDS)
    def pass_time(self, seconds):
        self.clock.advance(seconds)

    @rule(
        states=st.lists(st.sampled_from(State), max_size=2),
        task=st.sampled_from((None, *TASKS)),
        tag=st.sampled_from((None, None, "x", "y")),
        limit=st.integers(1, 5),
    )
    def list_jobs(self, states, task, tag, limit):
        query = JobQuery(tuple(states), task, None, tag, None, limit)
        assert self.memory.jobs(query) == self.other.jobs(query)

    @rule()
    def close_and_open(self):
        self.other.close()

    @invariant()
    def both_tell_the_same(self):
        mine, its = self.memory, self.other
        assert mine.jobs(JobQuery()) == its.jobs(JobQuery())
        assert set(map(counted, mine.counts())) == set(map(counted, its.counts()))
        assert (mine.next_due(self.now), mine.paused()) == (its.next_due(self.now), its.paused())
        assert mine.holders() == its.holders()
        for holder in mine.holders():
            held = [[replace(job, ref=0) for job in store.held(holder.number, 99)] for store in (mine, its)]
            assert held[0] == held[1]
            assert len(mine.cancelled(holder.number)) == len(its.cancelled(holder.number))
        for view in mine.jobs(JobQuery()).jobs:
            assert mine.story(view.id) == its.story(view.id)
            assert mine.outcome(view.id) == its.outcome(view.id)

    @invariant()
    def the_tally_is_a_full_count(self):
        found = {}
        for view in self.other.jobs(JobQuery(limit=10_000)).jobs:
            key = (view.queue, view.task, view.state)
            found[key] = found.get(key, 0) + 1
        assert found == {counted(count)[:3]: count.jobs for count in self.other.counts()}

    @invariant()
    def both_have_measured_the_same(self):
        packed = [
            {task: stats.encode() for task, stats in store.stats().items()} for store in (self.memory, self.other)
        ]
        assert packed[0] == packed[1]


def counted(count):
    return count.queue, count.task, count.state, count.jobs


class SqlitePair(Pair):
    def open_other(self):
        self.directory = Path(tempfile.mkdtemp(dir=MEMORY))
        return SqliteStore(str(self.directory / "work.db"))

    def teardown(self):
        super().teardown()
        shutil.rmtree(self.directory)


class PostgresPair(Pair):
    url = ""

    def open_other(self):
        make_empty(self.url)
        return PostgresStore(self.url)


class RedisPair(Pair):
    def open_other(self):
        self.prefix = f"test-{uuid4().hex}"
        return RedisStore(f"{os.environ['OAKUM_TEST_REDIS']}?prefix={self.prefix}")

    def teardown(self):
        super().teardown()
        forget_redis(os.environ["OAKUM_TEST_REDIS"], self.prefix)


EXAMPLES = settings(max_examples=40, stateful_step_count=40)
TestSqlite, TestRedis = SqlitePair.TestCase, RedisPair.TestCase
TestSqlite.settings = TestRedis.settings = EXAMPLES


class TestPostgres(PostgresPair.TestCase):
    settings = settings(max_examples=20, stateful_step_count=40)  # each look at a job is a question to a server

    @pytest.fixture(autouse=True)
    def _url(self, postgres_schema):
        PostgresPair.url = postgres_schema
