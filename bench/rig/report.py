"""How a benchmark is run and shown: its measures by name, medians of some runs, what each is held against and should reach."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from bench.rig.figure import Figure

Measure = Callable[[], list[Figure]]


def parser(description: str | None, measures: Mapping[str, Callable[..., list[Figure]]]) -> argparse.ArgumentParser:
    """What every benchmark can be told, and what its measures are."""
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:10} {measure.__doc__}" for name, measure in measures.items()),
    )
    made.add_argument(
        "--only", type=partial(_names, measures), default=tuple(measures), metavar="A,B", help="measures, by name (default: all)"
    )  # fmt: skip
    made.add_argument("--runs", type=int, default=3, metavar="N", help="medians of so many (default: 3)")
    made.add_argument("--json", metavar="FILE", help="write every run's figures there")
    return made


def _names(measures: Collection[str], told: str) -> tuple[str, ...]:
    names = tuple(told.split(","))
    if unknown := set(names) - set(measures):
        raise argparse.ArgumentTypeError(
            f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(measures)}"
        )
    return names


def run(measures: Mapping[str, Measure], args: argparse.Namespace, about: str, once: Collection[str] = ()) -> int:
    """Runs and shows what `args` names; those of `once` take minutes and are steady. Exit status 1 where a goal was missed."""
    where = f"{machine()}; {about}"
    print(where)
    print(f"{'':55}{'Oakum':>12}{'against':>12}{'ratio':>8}  aim", flush=True)
    results: dict[str, list[list[Figure]]] = {}
    missed = 0
    for name in args.only:
        results[name] = [measures[name]() for _ in range(1 if name in once else args.runs)]
        missed += sum(not _show(list(figures)) for figures in zip(*results[name], strict=True))
    print(f"load at the end {load()}")
    if args.json:
        _write(args.json, where, results)
    return 1 if missed else 0


def machine() -> str:
    """What it ran on, and what else was going on there."""
    return f"Linux {platform.release()}, {os.cpu_count()} processors, load {load()}; Python {platform.python_version()}"


def load() -> str:
    """Of the last 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


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
    line = f"{first.name + ', ' + first.unit:55}{number(value):>12}{number(against):>12}{number(ratio):>8}  {goal}"
    print(f"{line}  ({note})" if note else line, flush=True)
    return reached


def number(value: float | None) -> str:
    """Three digits or so; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _write(path: str, where: str, results: dict[str, list[list[Figure]]]) -> None:
    plain: dict[str, Any] = {
        name: [{each.name: [each.value, each.against, each.unit, each.note] for each in run} for run in runs]
        for name, runs in results.items()
    }
    with open(path, "w") as file:
        json.dump({"where": where, "measures": plain}, file, indent=1)
