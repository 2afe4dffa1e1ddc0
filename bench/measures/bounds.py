"""What bounds, keys and limits cost those who have them, and those who do not."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from bench.rig.figure import Figure, at_most, share, times
from bench.rig.processes import pss, tree
from bench.rig.scene import Scene, scene
from bench.rig.tasks import add_capped

from oakum.clock import SystemClock
from oakum.model.bounds import Rules
from oakum.model.job import DEFAULT_QUEUE, Claimed, NewJob
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed, Usage
from oakum.model.task import TaskSpec
from oakum.store.base import Identity, Instant, Want
from oakum.store.ids import IdSource
from oakum.store.sqlite.store import SqliteStore
from oakum.units import MIB

JOBS = 20_000
PAIRS, BLOCK = 20, 5_000
KEYS = 10_000
MILLION = 1_000_000
BATCH = 1000
CLAIMED = 500
SINGLES = 50
BESIDE = 50_000
REST_S = 5


def bounded() -> list[Figure]:
    """Jobs into a queue with a bound that it does not meet, and into one without, in turns."""
    with scene() as one:
        app = one.app
        app.queue("bounded", max_jobs=10**9, max_bytes="1TiB")
        free, bound = (app.find_task("noop").using(queue=name) for name in ("free", "bounded"))

        def many(queue: str) -> None:
            task = bound if queue == "bounded" else free
            app.enqueue_many(task.job() for _ in range(BLOCK))

        def single(queue: str) -> None:
            task = bound if queue == "bounded" else free
            for _ in range(SINGLES):
                task.enqueue()

        return [
            _paired("enqueue_many into a bounded queue, processor time", many, BLOCK),
            _paired("enqueue into a bounded queue, processor time", single, SINGLES),
        ]


def _paired(name: str, put: Callable[[str], None], jobs: int) -> Figure:
    """Processor microseconds of a job; the ratio is the median of pairs that ran one right after the other."""
    taken: dict[str, list[float]] = {"free": [], "bounded": []}
    for _ in range(PAIRS + 1):
        for queue, each in taken.items():
            began = time.process_time()
            put(queue)
            each.append((time.process_time() - began) / jobs * 1e6)
    pairs = list(zip(taken["bounded"], taken["free"], strict=True))[1:]  # the first one opens the store
    against = statistics.median(free for _, free in pairs)
    ratio = statistics.median(bound / free for bound, free in pairs)
    return Figure(name, "us", ratio * against, against, times(1.15), f"{PAIRS} pairs")


def keyed() -> list[Figure]:
    """Jobs of 10,000 keys, claimed and settled, and jobs without keys."""
    with _store() as plain, _store() as keyed:
        plain.insert("free", JOBS)
        keyed.insert("free", JOBS, keys=KEYS)
        without, with_keys = plain.work({"free": 1}), keyed.work({"free": 1})
    return [
        Figure("claims of jobs with 10,000 keys", "1/s", 1e6 / with_keys.claim_us, 1e6 / without.claim_us, share(0.5)),
        Figure("claim and settle of such a job, processor time", "us", with_keys.both_us, without.both_us),
    ]


def held() -> list[Figure]:
    """A million jobs of a task that its limit holds back: what claims of others cost beside them, and an idle worker."""
    costs = []
    for count in (2, MILLION):
        with _store() as one:
            one.store.declare("task", {"limited": Rules(limit=1)})
            one.insert("limited", count)
            one.insert("free", JOBS)
            one.claim({"limited": 1})
            costs.append(one.work({"limited": 1, "free": 1}).claim_us)
    few, many = costs
    return [
        Figure("claims beside a million held by a limit", "1/s", 1e6 / many, 1e6 / few, share(0.8)),
        *_beside("a million held by a limit", _fill_held),
    ]


def delayed() -> list[Figure]:
    """A million jobs for tomorrow: what an idle worker takes, and the jobs of today."""
    return _beside("a million delayed", _fill_delayed)


def _beside(name: str, fill: Callable[[Scene, int], None]) -> list[Figure]:
    few, many = _take(fill, 2), _take(fill, MILLION)
    return [
        Figure(f"idle worker, PSS added by {name}", "MiB", many.pss - few.pss, None, at_most(5)),
        Figure(f"idle worker with {name}, processor", "%", many.percent, few.percent, at_most(1)),
        Figure(f"no-ops of another queue beside {name}", "1/s", many.rate, few.rate, share(0.8)),
    ]


def _fill_held(one: Scene, count: int) -> None:
    add_capped(one.app)
    one.environment["BENCH_CAPPED"] = "1"
    capped = one.app.find_task("capped")
    one.app.enqueue_many(capped.job() for _ in range(count))


def _fill_delayed(one: Scene, count: int) -> None:
    tomorrow = one.app.find_task("noop").using(delay="1d")
    one.app.enqueue_many(tomorrow.job() for _ in range(count))


class _Taken(NamedTuple):
    """MiB and percent of a processor that an idle worker takes, and no-ops a second that it does."""

    pss: float
    percent: float
    rate: float


def _take(fill: Callable[[Scene, int], None], count: int) -> _Taken:
    """What a worker takes that has so many jobs in its store and, at first, none that it may start."""
    with scene() as one:
        fill(one, count)
        with one.worker("--grace", "0s", "--queues", "default,other") as worker:
            time.sleep(REST_S)
            size, percent = pss(tree(worker.pid)) / MIB, worker.percent()
            one.filled = one.app.enqueue_many(
                one.app.find_task("noop").using(queue="other").job() for _ in range(BESIDE)
            )
            return _Taken(size, percent, worker.finish().rate)


class _Cost(NamedTuple):
    """Microseconds of processor that a job took in the claim, and in claim and settle."""

    claim_us: float
    both_us: float


class _Store:
    """A store, and a worker that takes and ends jobs as fast as it can."""

    def __init__(self, file: str) -> None:
        self.store, self._ids = SqliteStore(file), IdSource()
        self._holder = self.store.enrol(Identity("bench", "boot", 1, 2, 3), 10**9, _now())

    def insert(self, task: str, count: int, keys: int = 0) -> None:
        now = _now()
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            self.store.insert([self._job(task, number, keys, now.wall_ms) for number in numbers], now)

    def _job(self, task: str, number: int, keys: int, now_ms: int) -> NewJob:
        return NewJob(self._ids.new(now_ms), task, b"x" * 20, key=f"tenant {number % keys}" if keys else None)

    def claim(self, weights: Mapping[str, int]) -> list[Claimed]:
        return list(self.store.claim(Want(self._holder, (DEFAULT_QUEUE,), weights, 10**9, CLAIMED), _now()))

    def work(self, weights: Mapping[str, int]) -> _Cost:
        """Takes and ends JOBS of them."""
        claiming = settling = 0.0
        done = 0
        while done < JOBS:
            began = time.process_time()
            claimed = self.claim(weights)
            claiming += time.process_time() - began
            if not claimed:
                raise RuntimeError(f"{JOBS - done} jobs are there, and none can be claimed")
            now = _now()
            ends = [
                settle(job, Completed(b""), Usage(1, 2, 3), TaskSpec(job.task), now.wall_ms, 0.5) for job in claimed
            ]
            began = time.process_time()
            if self.store.settle(ends, self._holder, now):
                raise RuntimeError("a settle came too late")
            settling += time.process_time() - began
            done += len(claimed)
        return _Cost(claiming / done * 1e6, (claiming + settling) / done * 1e6)


@contextmanager
def _store() -> Iterator[_Store]:
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        made = _Store(os.path.join(directory, "work.db"))
        try:
            yield made
        finally:
            made.store.close()


def _now() -> Instant:
    return Instant.read(SystemClock())
