"""Runs very many jobs through one worker and prints its supervisor's size as it goes: it must not grow with what it has done.

    script/soak flat [--few 10000] [--many 1000000] [--step 100000]

Fails when the supervisor is more than 5 MiB larger after MANY jobs than after FEW, or more than 20 MiB with MANY waiting.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from bench.rig.scene import Scene, scene
from bench.rig.worker import Worker

from oakum.host.tree import resident
from oakum.units import MIB

MOST_GROWTH: Final = 5 * MIB
MOST_WITH_WAITING: Final = 20 * MIB
REST_S: Final = 3.0  # the supervisor gives memory back when it is idle


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=10_000, help="jobs before the first look (default: 10000)")
    parser.add_argument("--many", type=int, default=1_000_000, help="jobs before the last one (default: 1000000)")
    parser.add_argument("--step", type=int, default=100_000, help="jobs between two looks (default: 100000)")
    args = parser.parse_args()
    with scene() as one, one.worker() as worker:
        few = after(one, worker, args.few)
        with worker.quiet():
            one.fill(args.many)
            waiting = look(worker, f"{args.many:,} waiting")
        worker.finish()
        many = look(worker, f"{one.filled:,} jobs")
        while one.filled < 2 * args.many:
            many = max(many, after(one, worker, args.step))
    print(f"growth: {(many - few) / MIB:+.1f} MiB by jobs, {(waiting - few) / MIB:+.1f} MiB by waiting ones")
    return int(many - few > MOST_GROWTH or waiting - few > MOST_WITH_WAITING)


def after(one: Scene, worker: Worker, jobs: int) -> int:
    """The supervisor's size after so many jobs more."""
    one.fill(jobs)
    worker.finish()
    return look(worker, f"{one.filled:,} jobs")


def look(worker: Worker, when: str) -> int:
    """The supervisor's resident bytes at rest."""
    time.sleep(REST_S)
    size = resident(worker.pid) or 0
    print(f"{when:>20}: {size / MIB:6.1f} MiB", flush=True)
    return size


if __name__ == "__main__":
    sys.exit(main())
