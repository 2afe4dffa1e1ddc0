"""Many at once: bounds, limits and keys hold exactly, and nobody gets to see a deadlock."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.support.postgres import new_schema

from oakum.clock import SystemClock
from oakum.errors import QueueFull
from oakum.model.bounds import Rules
from oakum.model.job import NewJob, State, Unique
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed
from oakum.model.task import TaskSpec
from oakum.store.base import Identity, Instant, Want
from oakum.store.ids import IdSource
from oakum.store.postgres.store import PostgresStore
from oakum.testing.conformance.bench import Bench

USERS, ROUNDS, LIMIT, BOUND = 4, 40, 3, 12
QUEUES = ("limited", "keyed", "bounded")


def now() -> Instant:
    return Instant.read(SystemClock())


class User(threading.Thread):
    """A producer and a worker in one, with a store of its own."""

    def __init__(self, url: str, number: int, watch: Watch) -> None:
        super().__init__()
        self._store, self._luck, self._ids, self._watch = PostgresStore(url), random.Random(number), IdSource(), watch
        self.refused = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            holder = self._store.enrol(Identity("host", "boot", 1, 2, 3), 60_000, now())
            for _ in range(ROUNDS):
                self._insert()
                self._work(holder)
        except Exception as error:
            self.error = error
        finally:
            self._store.close()

    def _insert(self) -> None:
        jobs = [self._job() for _ in range(6)]
        try:
            self._store.insert(jobs, now())
        except QueueFull:
            self.refused += 1

    def _job(self) -> NewJob:
        queue = self._luck.choice(QUEUES)
        key = self._luck.choice("abc") if queue == "keyed" else None
        unique = Unique(self._luck.choice((b"x", b"y")), "keep") if self._luck.random() < 0.3 else None
        return NewJob(self._ids.new(now().wall_ms), "t", b"", queue, key=key, unique=unique)

    def _work(self, holder: int) -> None:
        jobs = self._store.claim(Want(holder, QUEUES, {"t": 1}, 100, 5), now())
        with self._watch.working(jobs):
            ends = [settle(job, Completed(), None, TaskSpec("t"), now().wall_ms, 0.5) for job in jobs]
        assert self._store.settle(ends, holder, now()) == []


class Watch:
    """Counts what is claimed at one moment, between the claim and the settle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: list = []
        self.most = {"limited": 0, "key": 0}

    def working(self, jobs):
        watch = self

        class Span:
            def __enter__(self):
                with watch._lock:
                    watch._jobs += jobs
                    limited = sum(job.queue == "limited" for job in watch._jobs)
                    keys = [job.key for job in watch._jobs if job.key]
                    watch.most["limited"] = max(watch.most["limited"], limited)
                    watch.most["key"] = max([watch.most["key"], *(keys.count(key) for key in keys)])

            def __exit__(self, *_):
                with watch._lock:
                    for job in jobs:
                        watch._jobs.remove(job)

        return Span()


@pytest.fixture
def url(postgres_url):
    with new_schema(postgres_url) as url:
        yield url


def insert_beside_a_claim(bench: Bench, url: str, job: NewJob) -> None:
    """Puts a job in while somebody claims all that are there: it waits for that."""
    server, _, schema = url.partition("?schema=")
    other = bench.another()
    other.counts()  # connected
    with psycopg.connect(server) as claim, ThreadPoolExecutor(1) as pool:
        claim.execute(f'UPDATE "{schema}".job SET state = 1, token = 1, holder = 1')
        coming = pool.submit(other.insert, [job], bench.now)
        waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        with psycopg.connect(server, autocommit=True) as watch:
            while watch.execute(waits, [other._connection.backend]).fetchone() is None:
                assert not coming.done()
        claim.commit()
        assert coming.result(30) == []


def test_a_job_that_is_being_claimed_keeps_the_place_of_its_key(bench: Bench, postgres_store_url: str) -> None:
    first, dear = (NewJob(bench.id(), "t", b"", priority=priority, key="k") for priority in (0, 9))
    bench.insert(first)
    insert_beside_a_claim(bench, postgres_store_url, dear)
    assert [bench.state(job.id) for job in (first, dear)] == [State.RUNNING, State.HELD]


def test_a_job_that_is_being_claimed_is_not_replaced(bench: Bench, postgres_store_url: str) -> None:
    unique = Unique(b"k", "replace", states=(State.AVAILABLE, State.SCHEDULED, State.HELD))
    first, second = (NewJob(bench.id(), "t", payload, unique=unique) for payload in (b"old", b"new"))
    bench.insert(first)
    insert_beside_a_claim(bench, postgres_store_url, second)
    assert [bench.state(job.id) for job in (first, second)] == [State.RUNNING, State.AVAILABLE]
    assert bench.view(first.id).payload == b"old"


def test_what_is_bounded_stays_so(url: str) -> None:
    store, watch = PostgresStore(url), Watch()
    store.declare("queue", {"limited": Rules(limit=LIMIT), "bounded": Rules(max_jobs=BOUND, on_full="reject")})
    users = [User(url, number, watch) for number in range(USERS)]
    for user in users:
        user.start()
    most = 0
    while any(user.is_alive() for user in users):
        held = [count.jobs for count in store.counts() if count.queue == "bounded" and not count.state.terminal]
        most = max(most, sum(held))
    for user in users:
        user.join()
    assert [user.error for user in users] == [None] * USERS
    assert most <= BOUND
    assert watch.most == {"limited": LIMIT, "key": 1}
    with psycopg.connect(url.partition("?")[0]) as connection:
        tally = sorted((count.queue, int(count.state), count.jobs) for count in store.counts())
        schema = url.rpartition("=")[2]
        query = f'SELECT text, state, count(*) FROM "{schema}".job JOIN "{schema}".name ON number = queue GROUP BY text, state'
        assert tally == sorted(connection.execute(query).fetchall())
    store.close()
