"""Measures `oakum store move`: a store on SQLite with waiting jobs, moved to a server of the benchmark's own.

    script/bench move [--only postgres] [--runs 1] [--jobs 1000000] [--json FILE]

Nothing else uses the store meanwhile. Installs the servers that are missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from bench.rig import report
from bench.rig.figure import Figure
from bench.rig.postgres import own_postgres
from bench.rig.processes import peak
from bench.rig.redis import own_redis
from bench.rig.scene import scene
from bench.rig.servers import Server
from bench.rig.worker import ROOT

from oakum.units import MIB

LOOK_S = 0.02


class _Moved(NamedTuple):
    """How long it took, the most memory that the program had, and the jobs that it says to have moved."""

    seconds: float
    peak: int
    jobs: int


def postgres(jobs: int) -> list[Figure]:
    """To PostgreSQL with its default settings, synchronous_commit=on."""
    return _measure("PostgreSQL", own_postgres(), jobs)


def redis(jobs: int) -> list[Figure]:
    """To Redis, its append-only file synced once a second."""
    return _measure("Redis", own_redis("everysec"), jobs)


def _measure(name: str, own: AbstractContextManager[Server], jobs: int) -> list[Figure]:
    with own as server, scene() as one:
        one.fill(jobs)
        one.app.close()
        moved = _move(one.url, server.fresh())
        if moved.jobs != jobs:
            raise RuntimeError(f"{moved.jobs} of {jobs} jobs were moved")
    return [
        Figure(f"{jobs:,} waiting jobs to {name}", "s", moved.seconds),
        Figure(f"to {name}", "jobs/s", jobs / moved.seconds),
        Figure(f"to {name}, peak of the program", "MiB", moved.peak / MIB),
    ]


def _move(source: str, target: str) -> _Moved:
    command = [sys.executable, "-m", "oakum", "store", "move", source, target, "--format", "json"]
    began, most = time.monotonic(), 0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while process.poll() is None:
        most = max(most, peak(process.pid))
        time.sleep(LOOK_S)
    seconds = time.monotonic() - began
    assert process.stdout is not None
    told = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"oakum store move ended with status {process.returncode}")
    return _Moved(seconds, most, json.loads(told)["jobs"])


MEASURES = {"postgres": postgres, "redis": redis}


def main() -> int:
    parser = report.parser(__doc__, MEASURES)
    parser.add_argument("--jobs", type=int, default=1_000_000, metavar="N", help="that wait (default: 1,000,000)")
    args = parser.parse_args()
    measures = {name: partial(measure, args.jobs) for name, measure in MEASURES.items()}
    return report.run(measures, args, "from SQLite", once=MEASURES)


if __name__ == "__main__":
    sys.exit(main())
