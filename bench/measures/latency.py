"""How long a caller waits, and how long a job waits for its start."""

from __future__ import annotations

import tempfile
import time

from bench import bare
from bench.rig.figure import Figure, above, at_most, quantile
from bench.rig.scene import Scene, scene
from bench.rig.worker import Worker

RATE, SECONDS = 50, 10
WAITING = 400_000
EVERY_S = 0.01


def latency() -> list[Figure]:
    """From before the enqueue in one process to the start in another, at 50 jobs a second."""
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        commits = bare.commit_times_ms(f"{directory}/bare.db", RATE, 2 * RATE)
    with scene() as one, one.worker() as worker:
        delays = delays_ms(one, worker)
    return [
        Figure("enqueue to start, p50", "ms", quantile(delays, 0.5), quantile(commits, 0.5), above(0.7)),
        Figure("enqueue to start, p99", "ms", quantile(delays, 0.99), quantile(commits, 0.99), at_most(5)),
    ]


def delays_ms(one: Scene, worker: Worker) -> list[float]:
    """Each job's delay, in order of size."""
    late = one.app.find_task("late")
    one.app.find_task("noop").enqueue().wait("30s")  # the store is open on both sides
    began, before = time.monotonic(), one.hits()
    for place in range(RATE * SECONDS):
        time.sleep(max(0.0, began + place / RATE - time.monotonic()))
        late.enqueue(time.monotonic_ns())
    worker.wait_for(lambda: one.hits() == before + RATE * SECONDS)
    return one.delays_ms()


def beside() -> list[Figure]:
    """A single enqueue, every 10 ms, while two children are saturated with work on the same file."""
    waits: list[float] = []
    with scene() as one:
        one.fill(WAITING)
        noop = one.app.find_task("noop")
        with one.worker() as worker:
            worker.wait_for(lambda: one.hits() > 0)
            while one.hits() < WAITING * 3 // 4:
                began = time.perf_counter()
                noop.enqueue()
                waits.append((time.perf_counter() - began) * 1000)
                time.sleep(EVERY_S)
    waits.sort()
    return [
        Figure("enqueue beside a saturated worker, p50", "ms", quantile(waits, 0.5)),
        Figure("enqueue beside a saturated worker, p99", "ms", quantile(waits, 0.99), None, at_most(20)),
    ]
