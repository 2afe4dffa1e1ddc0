"""Measures the engine on PostgreSQL: rates, latency, bytes, and what an old snapshot costs.

    eval "$(script/servers start)"
    .venv/bin/python -m bench.postgres [--jobs 50000]

Each measure has a schema of its own on the server of OAKUM_TEST_POSTGRES, which is dropped afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
from bench.rig.figure import quantile
from bench.rig.scene import Scene, scene

from oakum.clock import SystemClock
from oakum.model.job import NewJob
from oakum.store.base import Identity, Instant, Want
from oakum.store.ids import IdSource
from oakum.store.postgres.store import PostgresStore

RATE, SECONDS = 50, 10
CLAIM = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=50_000)
    jobs = parser.parse_args().jobs
    server = os.environ["OAKUM_TEST_POSTGRES"]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with schema(server) as url:
        rates(url, jobs)
    with schema(server) as url:
        latency(url)
    with schema(server) as url:
        size(server, url, jobs)
    with schema(server) as url:
        snapshot(server, url, jobs)


@contextlib.contextmanager
def schema(server: str) -> Iterator[str]:
    """A store of the measure's own."""
    name = f"bench_{uuid4().hex[:8]}"
    yield f"{server}?schema={name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA "{name}" CASCADE')


def rates(url: str, jobs: int) -> None:
    with scene(url=url) as one:
        print(f"enqueue_many            {one.fill(jobs):10,.0f} /s")
        noop = one.app.find_task("noop")
        began = time.perf_counter()
        for _ in range(500):
            noop.enqueue()
        print(f"enqueue                 {500 / (time.perf_counter() - began):10,.0f} /s")
    with scene(url=url) as one:
        one.filled = jobs + 500
        with one.worker() as worker:
            pace = worker.finish()
        print(f"jobs, two children      {pace.rate:10,.0f} /s    {pace.cpu_us:.0f} us of processor time each")


def latency(url: str) -> None:
    with scene(url=url) as one, one.worker() as worker:
        delays = late(one, worker)
    print(f"enqueue to start        {quantile(delays, 0.5):10.2f} ms p50    {quantile(delays, 0.99):.2f} ms p99")


def late(one: Scene, worker) -> list[float]:
    task = one.app.find_task("late")
    task.enqueue(time.monotonic_ns()).wait("30s")
    began = time.monotonic()
    for place in range(RATE * SECONDS):
        time.sleep(max(0.0, began + place / RATE - time.monotonic()))
        task.enqueue(time.monotonic_ns())
    worker.wait_for(lambda: one.hits() == RATE * SECONDS + 1)
    return one.delays_ms()


def size(server: str, url: str, jobs: int) -> None:
    with contextlib.closing(PostgresStore(url)) as store:
        before = store.space().used
        fill(store, jobs, bytes(20))
        print(f"a waiting job           {(store.space().used - before) / jobs:10.0f} bytes, 20 of them payload")


def snapshot(server: str, url: str, jobs: int) -> None:
    """Claims and settles of 100, before and while somebody holds a snapshot from before them all."""
    with contextlib.closing(PostgresStore(url)) as store:
        fill(store, jobs, b"")
        holder = store.enrol(Identity("host", "boot", 1, 2, 3), 60_000, now())
        free = claims(store, holder, jobs // 3)
        with psycopg.connect(server) as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT count(*) FROM pg_class")
            held = [claims(store, holder, jobs // 6) for _ in range(3)]
        print(
            f"claims of {CLAIM}           {free:10,.0f} jobs/s; under an old snapshot {', '.join(f'{each:,.0f}' for each in held)}"
        )


def fill(store: PostgresStore, jobs: int, payload: bytes) -> None:
    ids = IdSource()
    for _ in range(jobs // 1000):
        at = now()
        store.insert([NewJob(ids.new(at.wall_ms), "bench.tasks.noop", payload) for _ in range(1000)], at)


def claims(store: PostgresStore, holder: int, jobs: int) -> float:
    want = Want(holder, ("default",), {"bench.tasks.noop": 1}, CLAIM, CLAIM)
    began, taken = time.perf_counter(), 0
    while taken < jobs:
        taken += len(store.claim(want, now()))
    return taken / (time.perf_counter() - began)


def now() -> Instant:
    return Instant.read(SystemClock())


if __name__ == "__main__":
    main()
