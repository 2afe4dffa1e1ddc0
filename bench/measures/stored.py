"""What a million stored jobs cost those that come and go."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean

from bench.measures.served import Stage
from bench.rig.figure import Figure, share
from bench.rig.processes import tree_cpu_s
from bench.rig.scene import scene
from bench.rig.servers import Server
from bench.rig.worker import Pace

FEW, MANY = 10_000, 1_000_000
SHARE, SHARE_OF_MORE = 0.8, 0.6  # to be kept at a million, and beyond
SINGLES = 4000  # a second of them or more: fewer tell of the moment
TIMED = 0.8  # of the jobs: a few have run before the first is seen, and the last are not to meet an empty store

Rates = dict[str, Pace]  # the processor time is that of all who take part


def waiting(stage: Stage) -> list[Figure]:
    """Rates with so many jobs waiting in the same queue, beside those with 10,000 of them."""
    return _beside(stage, "waiting", ended=False)


def ended(stage: Stage) -> list[Figure]:
    """Rates with so many ended jobs kept, beside those with 10,000 of them."""
    return _beside(stage, "ended", ended=True)


def _beside(stage: Stage, what: str, *, ended: bool) -> list[Figure]:
    """10,000 first and last: whatever else changed meanwhile is in their mean."""
    first, *found, last = [_rates(stage, rows, ended=ended) for rows in (FEW, *stage.rows, FEW)]
    few = {name: Pace(*map(mean, zip(first[name], last[name], strict=True))) for name in first}
    return [
        _figure(f"{name} at {rows:,} {what}", rates[name], few[name], SHARE if rows <= MANY else SHARE_OF_MORE)
        for rows, rates in zip(stage.rows, found, strict=True)
        for name in rates
    ]


def _figure(name: str, many: Pace, few: Pace, least: float) -> Figure:
    note = f"against: at {FEW:,}; processor time {many.cpu_us:.1f} us, there {few.cpu_us:.1f}"
    return Figure(name, "1/s", many.rate, few.rate, share(least), note)


def _rates(stage: Stage, rows: int, *, ended: bool) -> Rates:
    server = stage.server
    with scene(url=server.fresh()) as one:
        server.stock(one, rows, ended=ended)
        server.settle()
        many, single = _put(server, one.fill, stage.jobs), _put(server, one.fill_singly, SINGLES)
        began, before = tree_cpu_s(server.pid), one.hits()
        with one.worker() as worker:
            pace = worker.run(int(stage.jobs * TIMED))
            server_us = (tree_cpu_s(server.pid) - began) / (one.hits() - before) * 1e6
    return {"jobs": Pace(pace.rate, pace.cpu_us + server_us), "enqueue_many": many, "enqueue": single}


def _put(server: Server, fill: Callable[[int], float], count: int) -> Pace:
    began = tree_cpu_s(server.pid) + time.process_time()
    rate = fill(count)
    return Pace(rate, (tree_cpu_s(server.pid) + time.process_time() - began) / count * 1e6)
