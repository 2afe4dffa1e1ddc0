"""Measures the engine and, in the same run, what a bare loop of its design does; prints medians, ratios and goals.

    script/bench engine [--only rate,latency] [--runs 3] [--json FILE]

Nothing else should be busy on the machine. Where that can't be had, the ratios travel better than the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable
from typing import Any

import apsw
from bench.measures import bounds, budget, latency, rates, schedules, sizes
from bench.rig.figure import Figure

Measure = Callable[[], list[Figure]]
MEASURES: dict[str, Measure] = {
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
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:10} {measure.__doc__}" for name, measure in MEASURES.items()),
    )
    parser.add_argument("--only", default=",".join(MEASURES), metavar="A,B", help="measures, by name (default: all)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="medians of so many (default: 3)")
    parser.add_argument("--json", metavar="FILE", help="write every run's figures there")
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := set(names) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    print(_where())
    print(f"{'':55}{'Oakum':>12}{'against':>12}{'ratio':>8}  aim")
    results: dict[str, list[list[Figure]]] = {}
    missed = 0
    for name in names:
        times = 1 if name in LONG else args.runs
        results[name] = [MEASURES[name]() for _ in range(times)]
        missed += sum(not _show(list(figures)) for figures in zip(*results[name], strict=True))
    if args.json:
        _write(args.json, results)
    return 1 if missed else 0


def _where() -> str:
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"Linux {platform.release()}, {os.cpu_count()} processors, load {load}; Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}; WAL, on the disk before it is acknowledged on both sides"
    )


def _show(figures: list[Figure]) -> bool:
    """One line for one figure of several runs; whether its goal, if any, was reached."""
    first = figures[0]
    value = statistics.median(each.value for each in figures)
    against = ratio = None
    if first.against is not None:
        against = statistics.median(each.against or 0.0 for each in figures)
        ratio = statistics.median(each.value / each.against for each in figures if each.against)
    reached = first.goal is None or first.goal.reached(value, against or 0.0)
    goal = "" if first.goal is None else f"{first.goal.text}{'' if reached else '  MISSED'}"
    note = " / ".join(sorted({each.note for each in figures if each.note}))
    line = f"{first.name + ', ' + first.unit:55}{_number(value):>12}{_number(against):>12}{_number(ratio):>8}  {goal}"
    print(f"{line}  ({note})" if note else line, flush=True)
    return reached


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _write(path: str, results: dict[str, list[list[Figure]]]) -> None:
    plain: dict[str, Any] = {
        name: [{each.name: [each.value, each.against, each.unit, each.note] for each in run} for run in runs]
        for name, runs in results.items()
    }
    with open(path, "w") as file:
        json.dump({"where": _where(), "measures": plain}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
