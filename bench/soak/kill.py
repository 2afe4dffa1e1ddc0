"""Kills children, templates and workers at random while jobs run, for as long as told; checks each round's history.

    script/soak kill [--minutes 60] [--jobs 10000] [--seed 1]

Each round is a store of its own. A round whose history breaks a promise of delivery ends the trial, with its files kept.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.history import faults
from tests.faults.siege import SOURCE, VICTIMS, history, siege
from tests.processes.workers import Workshop

from oakum.model.ids import id_text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: 60); at least one round")
    parser.add_argument("--jobs", type=int, default=10_000, help="in each round (default: 10000)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first round; each further one has the next (default: 1)"
    )
    args = parser.parse_args()
    deadline, seed = time.monotonic() + args.minutes * 60, args.seed
    while seed == args.seed or time.monotonic() < deadline:
        directory = tempfile.mkdtemp(prefix="oakum-soak-")
        found = round_of(Path(directory), args.jobs, seed)
        if found:
            print("\n".join(found[:20]), f"... its files are in {directory}", sep="\n")
            return 1
        seed += 1
    return 0


def round_of(directory: Path, count: int, seed: int) -> list[str]:
    """One siege; the faults in its history."""
    shop = Workshop(directory, SOURCE)
    try:
        jobs = [shop.tasks.work.job(n) for n in range(count)]
        siege(shop, jobs, random.Random(seed), between=count // (3 * len(VICTIMS)))
        runs, kept = history(shop, "work")
    finally:
        shop.close()
    found = faults([id_text(job.id) for job in jobs], runs, kept)
    cut = sum(run.ended_ns is None for run in runs)
    print(f"seed {seed}: {count:,} jobs, {len(VICTIMS)} kills, {cut} starts cut short, {len(found)} faults", flush=True)
    if not found:
        shutil.rmtree(directory)
    return found


if __name__ == "__main__":
    sys.exit(main())
