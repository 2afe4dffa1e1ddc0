"""Measures the engine on a PostgreSQL server of the benchmark's own, with the settings that it comes with.

    script/bench postgres [--only rate,enqueue] [--runs 3] [--jobs 100000] [--rows 1000000,5000000]

Installs postgresql and pgbouncer where they are missing. Server, worker, children and producer share the machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psycopg
from bench.measures import on_server, served
from bench.measures.served import Aims, Stage
from bench.rig.figure import Figure
from bench.rig.postgres import own_postgres
from bench.rig.scene import scene
from bench.rig.servers import install
from tests.support.pgbouncer import PgBouncer

from oakum.clock import SystemClock
from oakum.model.job import DEFAULT_QUEUE
from oakum.store.base import Identity, Instant, Store, Want

AIMS = Aims(jobs=12_000, many=31_500, p99_ms=6, waiting=260)
CLAIM = 100


def pooled(stage: Stage) -> list[Figure]:
    """The delays behind PgBouncer in transaction mode, where nobody can ring: workers look by themselves."""
    install("pgbouncer", "pgbouncer")
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        with PgBouncer(Path(directory), stage.server.url) as pooler:
            return served.delays(pooler.url(stage.server.fresh()), " behind PgBouncer", None)


def snapshot(stage: Stage) -> list[Figure]:
    """Claims of 100 while somebody holds a snapshot from before them all, beside claims without one."""
    part = stage.jobs // 4
    with scene(url=stage.server.fresh()) as one:
        one.fill(stage.jobs)
        store = one.app.desk.store
        holder = store.enrol(Identity("bench", "boot", 1, 2, 3), 10**9, _now())
        free = _claims(store, holder, part)
        with psycopg.connect(stage.server.url) as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT count(*) FROM pg_class")
            held = [_claims(store, holder, part) for _ in range(3)]
    return [
        Figure(f"claims of {CLAIM}, {number * part:,} under an old snapshot", "1/s", rate, free)
        for number, rate in enumerate(held, 1)
    ]


def _claims(store: Store, holder: int, jobs: int) -> float:
    want = Want(holder, (DEFAULT_QUEUE,), {"noop": 1}, CLAIM, CLAIM)
    began, taken = time.perf_counter(), 0
    while taken < jobs:
        taken += len(store.claim(want, _now()))
    return taken / (time.perf_counter() - began)


def _now() -> Instant:
    return Instant.read(SystemClock())


MEASURES = {**on_server.MEASURES, "pooled": pooled, "snapshot": snapshot}


def main() -> int:
    args = on_server.parser(__doc__, MEASURES).parse_args()
    with own_postgres() as server:
        return on_server.run(MEASURES, args, server, AIMS)


if __name__ == "__main__":
    sys.exit(main())
