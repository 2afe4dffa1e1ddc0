"""Lives the engine's life on a fake clock, seed by seed, as tests/faults/simulation.py describes it.

    script/soak lives [--count 5000] [--seed 1] [--steps 250]       thousands of lives; the first that goes wrong is told and ends it
    script/soak lives --seed 1234 --count 1                         lives that one again

The store is the one in memory; `--sqlite` takes a file of its own for each life, some twenty times slower.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.simulation import STEPS, Simulation

from oakum.store.memory import MemoryStore
from oakum.store.sqlite.store import SqliteStore


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="lives (default: 5000)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first life; each further one has the next (default: 1)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"in each life (default: {STEPS})")
    parser.add_argument("--sqlite", action="store_true", help="in files, not in memory")
    args = parser.parse_args()
    began, hits = time.monotonic(), Counter[str]()
    for seed in range(args.seed, args.seed + args.count):
        found, hit = life(seed, args.steps, sqlite=args.sqlite)
        if found:
            print(f"seed {seed}:", *found[:20], sep="\n  ")
            return 1
        hits += hit
    print(f"{args.count:,} lives of {args.steps} steps in {time.monotonic() - began:.0f} s, no faults")
    print(", ".join(f"{what} {times:,}" for what, times in sorted(hits.items())))
    return 0


def life(seed: int, steps: int, *, sqlite: bool) -> tuple[list[str], Counter[str]]:
    """One life: what was wrong with it, and what struck it."""
    with contextlib.ExitStack() as stack:
        if sqlite:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oakum-lives-"))) / "work.db"
            store = stack.enter_context(contextlib.closing(SqliteStore(str(path))))
            one = Simulation(seed, store)
        else:
            one = Simulation(seed, MemoryStore())
        one.live(steps)
        return one.finish(), one.hits


if __name__ == "__main__":
    sys.exit(main())
