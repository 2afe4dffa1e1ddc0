"""What the engine takes when little happens, and when a million jobs have happened."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from bench import bare
from bench.rig.figure import Figure, at_most, share
from bench.rig.processes import pss, rss, tree
from bench.rig.scene import Scene, scene
from bench.rig.worker import ROOT, Worker

from oakum.units import MIB

FEW, SOME, MANY = 10_000, 100_000, 1_000_000
REST_S = 3
ON_MEMORY = "/dev/shm"


def idle() -> list[Figure]:
    """A worker with two children that has run two jobs and has nothing to do."""
    with scene() as one, one.worker() as worker:
        for _ in range(2):
            one.app.find_task("noop").enqueue().wait("30s")
        time.sleep(REST_S)
        percent = worker.percent()
        pids = tree(worker.pid)
        size = pss(pids) / MIB
    return [
        Figure("idle worker, PSS of its whole tree", "MiB", size, None, at_most(35), f"{len(pids)} processes"),
        Figure("idle worker, processor", "%", percent, None, at_most(1)),
    ]


def file() -> list[Figure]:
    """The database with 100,000 waiting no-ops, closed."""
    with scene() as one:
        one.fill(SOME)
        one.app.close()
        size = sum(os.path.getsize(one.file + suffix) for suffix in ("", "-wal") if os.path.exists(one.file + suffix))
    return [Figure("file, a waiting no-op", "bytes", size / SOME, None, at_most(160))]


def million() -> list[Figure]:
    """One worker over a million jobs: its size, and its rates, after 10,000 and after 1,000,000."""
    with scene() as one, one.worker() as worker:
        one.fill(FEW)
        worker.finish()
        time.sleep(REST_S)
        few, at_few = rss([worker.pid]), _rates(one, worker)
        with worker.quiet():
            one.fill(MANY)
            time.sleep(REST_S)
            waiting = rss([worker.pid])
        worker.finish()
        time.sleep(REST_S)
        many, at_many = rss([worker.pid]), _rates(one, worker)
    drift = at_many.bare / at_few.bare
    note = "against: at 10,000 rows, times what the bare loop changed meanwhile"
    return [
        Figure("supervisor, growth from 10,000 to 1,000,000 jobs", "MiB", (many - few) / MIB, None, at_most(5)),
        Figure("supervisor, growth with 1,000,000 waiting", "MiB", (waiting - few) / MIB, None, at_most(20)),
        Figure("jobs at 1,000,000 rows", "1/s", at_many.jobs, at_few.jobs * drift, share(0.8), note),
        Figure("enqueue_many at 1,000,000 rows", "1/s", at_many.enqueue, at_few.enqueue * drift, share(0.8), note),
    ]


class _Rates(NamedTuple):
    enqueue: float
    jobs: float
    bare: float


def _rates(one: Scene, worker: Worker) -> _Rates:
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        loop, _ = bare.loop_rate(f"{directory}/bare.db", SOME)
    with worker.quiet():
        enqueue = one.fill(SOME)
    return _Rates(enqueue, worker.finish().rate, loop)


def publisher() -> list[Figure]:
    """A process that enqueues a million jobs, one by one, on a file in memory: the disk has no part in its size."""
    with scene(ON_MEMORY if os.path.isdir(ON_MEMORY) else None) as one:
        command = [sys.executable, "-m", "bench.rig.publisher", str(FEW), str(MANY)]
        told = subprocess.run(command, cwd=ROOT, env=one.environment, check=True, capture_output=True, text=True)
        few, many = map(int, told.stdout.split())
    return [Figure("publisher, growth from 10,000 to 1,000,000 enqueues", "MiB", (many - few) / MIB, None, at_most(5))]
