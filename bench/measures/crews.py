"""Three workers on one store beside one, and who sets the limit: the machine, the store or the jobs."""

from __future__ import annotations

import time
from typing import NamedTuple

from bench.measures.served import Stage
from bench.rig.figure import Figure
from bench.rig.processes import busy_s, tree_cpu_s
from bench.rig.scene import scene

CREW = 3
NAPS = 4000
ENOUGH = 0.8  # of the jobs: at the end, some workers have none left


class _Found(NamedTuple):
    """Jobs a second, processor microseconds of a job in the workers and in the server, and how busy the machine was."""

    rate: float
    workers_us: float
    server_us: float
    busy: float


def crews(stage: Stage) -> list[Figure]:
    """No-ops with two children each and with one each, then jobs that wait 5 ms: three workers beside one."""
    return [
        *_compare(stage, "no-ops, two children each", "noop", 2, stage.jobs),
        *_compare(stage, "no-ops, one child each", "noop", 1, stage.jobs),
        *_compare(stage, "5 ms naps, one child each", "nap", 1, NAPS),
    ]


def _compare(stage: Stage, name: str, task: str, slots: int, jobs: int) -> list[Figure]:
    one = _measure(stage, 1, task, slots, jobs // CREW)
    three = _measure(stage, CREW, task, slots, jobs)
    note = f"machine {three.busy:.0%} busy, with one {one.busy:.0%}"
    return [
        Figure(f"{CREW} workers, {name}", "1/s", three.rate, one.rate, None, note),
        Figure("  processor time of a job, workers", "us", three.workers_us, one.workers_us),
        Figure("  processor time of a job, server", "us", three.server_us, one.server_us),
    ]


def _measure(stage: Stage, workers: int, task: str, slots: int, jobs: int) -> _Found:
    """All workers are up before the queue opens."""
    with scene(url=stage.server.fresh()) as one:
        queues = one.app.desk.store
        queues.pause("default", True)
        one.fill(jobs, task)
        with one.worker("--slots", str(slots), count=workers) as crew:
            began, busy, server = time.monotonic(), busy_s(), tree_cpu_s(stage.server.pid)
            queues.pause("default", False)
            pace = crew.run(int(jobs * ENOUGH))
            seconds, done = time.monotonic() - began, one.hits()
            server_us = (tree_cpu_s(stage.server.pid) - server) / done * 1e6
            return _Found(pace.rate, pace.cpu_us, server_us, (busy_s() - busy) / seconds)
