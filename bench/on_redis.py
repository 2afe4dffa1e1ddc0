"""Measures Oakum on a Redis server of the benchmark's own: jobs a second, enqueueing, latency, bytes a waiting job, idleness.

    script/bench on_redis [--appendfsync everysec] [--runs 3] [--jobs 100000]

Needs redis-server in the PATH. The server shares the machine with the worker, its two children and the producer.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.rig.processes import cpu_s, tree
from bench.rig.scene import Scene
from bench.rig.tasks import application
from redis import Redis
from tests.support.redis import RedisServer

from oakum.model.job import JobQuery

LATE_RATE, LATE_S = 50, 8
SINGLES = 2000
IDLE_S, REST_S = 10, 2


class RedisScene(Scene):
    """A scene on a Redis store."""

    def __init__(self, directory: str, server: RedisServer) -> None:
        super().__init__(directory)
        self.app = application(server.url)
        self.environment["BENCH_STORE"] = server.url


@contextlib.contextmanager
def scene(appendfsync: str) -> Iterator[tuple[RedisScene, Redis]]:
    """A fresh server and a fresh scene on it."""
    with (
        tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory,
        RedisServer(Path(directory), "--appendfsync", appendfsync) as server,
        server.client as client,
    ):
        made = RedisScene(directory, server)
        try:
            yield made, client
        finally:
            made.app.close()


def figures(appendfsync: str, jobs: int) -> dict[str, float]:
    """One run of all measures."""
    found: dict[str, float] = {}
    with scene(appendfsync) as (one, client):
        found["enqueue_many, 1/s"] = one.fill(jobs)
        found["bytes a waiting no-op, MEMORY USAGE of all keys"] = _bytes(client) / jobs
        with one.worker() as worker:
            pace = worker.finish()
            found["jobs, two children, 1/s"] = pace.rate
            found["processor time of a job in the worker's tree, us"] = pace.cpu_us
            _check(one)
            time.sleep(REST_S)
            found["idle worker, processor, %"] = _idle(worker.pid)
            delays = _delays(one, worker)
            found["enqueue to start, p50, ms"] = statistics.median(delays)
            found["enqueue to start, p99, ms"] = delays[int(len(delays) * 0.99)]
        noop = one.app.find_task("noop")
        began = time.perf_counter()
        for _ in range(SINGLES):
            noop.enqueue()
        found["enqueue, one at a time, 1/s"] = SINGLES / (time.perf_counter() - began)
    return found


def _bytes(client: Redis) -> int:
    keys = list(client.scan_iter(count=10_000))
    usage = client.pipeline(transaction=False)
    for key in keys:
        usage.memory_usage(key, samples=0)
    return sum(usage.execute())


def _check(one: Scene) -> None:
    """A rate counts only if results and peaks were kept."""
    for job in one.app.desk.store.jobs(JobQuery(limit=1000)).jobs:
        if job.record is None:
            raise RuntimeError(f"a job left no record: {job}")


def _idle(pid: int) -> float:
    before = sum(cpu_s(each) for each in tree(pid))
    time.sleep(IDLE_S)
    return (sum(cpu_s(each) for each in tree(pid)) - before) / IDLE_S * 100


def _delays(one: Scene, worker) -> list[float]:
    late = one.app.find_task("late")
    count, before = LATE_RATE * LATE_S, one.hits()
    began = time.monotonic()
    for place in range(count):
        time.sleep(max(0.0, began + place / LATE_RATE - time.monotonic()))
        late.enqueue(time.monotonic_ns())
    worker.wait_for(lambda: one.hits() == before + count)
    return one.delays_ms()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--appendfsync", default="everysec", choices=("always", "everysec", "no"))
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="medians of so many (default: 3)")
    parser.add_argument("--jobs", type=int, default=100_000, metavar="N", help="to run (default: 100,000)")
    args = parser.parse_args()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"Linux {platform.release()}, {os.cpu_count()} processors, load {load}; appendfsync={args.appendfsync}")
    runs = [figures(args.appendfsync, args.jobs) for _ in range(args.runs)]
    for name in runs[0]:
        print(f"{name:55}{statistics.median(run[name] for run in runs):>12,.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
