"""Measures the engine and, in the same run, what a bare loop of its design does; prints medians, ratios and goals.

    script/bench engine [--only rate,latency] [--runs 3] [--json FILE]

Nothing else should be busy on the machine. Where that can't be had, the ratios travel better than the numbers.
"""

from __future__ import annotations

import sys

import apsw
from bench.measures import bounds, budget, latency, rates, schedules, sizes
from bench.rig import report

MEASURES: dict[str, report.Measure] = {
    "rate": rates.rate,
    "enqueue": rates.enqueue,
    "latency": latency.latency,
    "beside": latency.beside,
    "idle": sizes.idle,
    "file": sizes.file,
    "schedules": schedules.schedules,
    "tick": schedules.tick,
    "bounded": bounds.bounded,
    "keyed": bounds.keyed,
    "held": bounds.held,
    "delayed": bounds.delayed,
    "budget": budget.budget,
    "cost": budget.cost,
    "publisher": sizes.publisher,
    "million": sizes.million,
}
LONG = ("held", "delayed", "publisher", "million")  # minutes each, and steady: once is enough


def main() -> int:
    args = report.parser(__doc__, MEASURES).parse_args()
    about = f"SQLite {apsw.sqlite_lib_version()}; WAL, on the disk before it is acknowledged on both sides"
    return report.run(MEASURES, args, about, once=LONG)


if __name__ == "__main__":
    sys.exit(main())
