"""The benchmark of a store on a server: what the servers have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

from bench.measures import crews, served, stored
from bench.measures.served import Aims, Stage
from bench.rig import report
from bench.rig.figure import Figure
from bench.rig.servers import Server

Measures = Mapping[str, Callable[[Stage], list[Figure]]]
MEASURES: Measures = {
    "rate": served.rate,
    "enqueue": served.enqueue,
    "latency": served.delay,
    "idle": served.idle,
    "workers": crews.crews,
    "waiting": stored.waiting,
    "ended": stored.ended,
}
LONG = ("waiting", "ended", "turns")


def parser(description: str | None, measures: Measures) -> argparse.ArgumentParser:
    """What each of them can be told."""
    made = report.parser(description, measures)
    made.add_argument(
        "--jobs", type=int, default=100_000, metavar="N", help="of which rates are taken (default: 100,000)"
    )
    made.add_argument(
        "--rows", type=_numbers, default=(stored.MANY,), metavar="N,N", help="stored jobs to be measured beside (default: 1,000,000)"
    )  # fmt: skip
    return made


def _numbers(told: str) -> tuple[int, ...]:
    return tuple(map(int, told.split(",")))


def run(measures: Measures, args: argparse.Namespace, server: Server, aims: Aims) -> int:
    """Measures what `args` names on `server`; the exit status."""
    stage = Stage(server, args.jobs, args.rows, aims)
    bound = {name: partial(measure, stage) for name, measure in measures.items()}
    return report.run(bound, args, server.about, once=LONG)
