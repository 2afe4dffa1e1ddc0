"""What the engine does on a server, and what server and worker take for that."""

from __future__ import annotations

import time
from typing import NamedTuple

from bench.measures import latency
from bench.measures.rates import check_records
from bench.rig.figure import Figure, Goal, at_least, at_most, quantile
from bench.rig.processes import tree_cpu_s
from bench.rig.scene import scene
from bench.rig.servers import Server
from bench.rig.worker import IDLE_S

SINGLES = 1000
REST_S = 3


class Aims(NamedTuple):
    """What is to be reached on a store: jobs a second through two children and in bulk, p99 in ms, bytes a waiting job."""

    jobs: float
    many: float
    p99_ms: float
    waiting: float


class Stage(NamedTuple):
    """A server, how many jobs a rate is taken of, beside how many stored ones, and what is to be reached."""

    server: Server
    jobs: int
    rows: tuple[int, ...]
    aims: Aims


def rate(stage: Stage) -> list[Figure]:
    """No-op jobs with two children: results and memory peaks kept, each counted by its task."""
    with scene(url=stage.server.fresh()) as one:
        one.fill(stage.jobs)
        before = tree_cpu_s(stage.server.pid)
        with one.worker() as worker:
            pace = worker.finish()
        server_us = (tree_cpu_s(stage.server.pid) - before) / stage.jobs * 1e6
        check_records(one)
    return [
        Figure("jobs, two children", "1/s", pace.rate, None, at_least(stage.aims.jobs)),
        Figure("processor time of a job, worker and children", "us", pace.cpu_us),
        Figure("processor time of a job, server", "us", server_us),
    ]


def enqueue(stage: Stage) -> list[Figure]:
    """Jobs handed in, many at once and one by one, each acknowledged when it is kept; and what they take as they wait."""
    with scene(url=stage.server.fresh()) as one:
        one.fill_singly(1)  # connections, scripts, tables
        before = stage.server.used()
        many = one.fill(stage.jobs)
        size = (stage.server.used() - before) / stage.jobs
        single = one.fill_singly(SINGLES)
    return [
        Figure("enqueue_many", "1/s", many, None, at_least(stage.aims.many)),
        Figure("enqueue", "1/s", single),
        Figure("a waiting no-op, on the server", "bytes", size, None, at_most(stage.aims.waiting)),
    ]


def delay(stage: Stage) -> list[Figure]:
    """From before the enqueue in one process to the start in another, at 50 jobs a second."""
    return delays(stage.server.fresh(), "", at_most(stage.aims.p99_ms))


def delays(url: str, where: str, goal: Goal | None) -> list[Figure]:
    """The same of any store; `where` is part of the figures' names."""
    with scene(url=url) as one, one.worker() as worker:
        found = latency.delays_ms(one, worker)
    return [
        Figure(f"enqueue to start{where}, p50", "ms", quantile(found, 0.5)),
        Figure(f"enqueue to start{where}, p99", "ms", quantile(found, 0.99), None, goal),
    ]


def idle(stage: Stage) -> list[Figure]:
    """A worker with two children that has nothing to do, and the server beside it."""
    with scene(url=stage.server.fresh()) as one, one.worker() as worker:
        one.app.find_task("noop").enqueue().wait("30s")
        time.sleep(REST_S)
        before = tree_cpu_s(stage.server.pid)
        percent = worker.percent()
        server_percent = (tree_cpu_s(stage.server.pid) - before) / IDLE_S * 100
    return [
        Figure("idle worker, processor", "%", percent, None, at_most(1)),
        Figure("server beside it, processor", "%", server_percent),
    ]
