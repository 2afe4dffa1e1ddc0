"""What schedules take while they wait, and how punctual their jobs are."""

from __future__ import annotations

import time

from bench.rig.figure import Figure, at_most, quantile
from bench.rig.processes import pss, tree
from bench.rig.scene import scene

from oakum.model.job import JobQuery
from oakum.model.outcome import decode_record
from oakum.units import MIB

MANY = 10_000
REST_S = 3
BEAT_S = 0.1
BEATS = 200


def schedules() -> list[Figure]:
    """An idle worker whose application declares 10,000 schedules, beside one whose application declares none."""
    without, _, _ = _idle(0)
    size, percent, brought_s = _idle(MANY)
    return [
        Figure("idle worker, PSS added by 10,000 schedules", "MiB", size - without, None, at_most(5)),
        Figure("idle worker with 10,000 schedules, processor", "%", percent, None, at_most(1)),
        Figure("10,000 new schedules, until the store has them", "s", brought_s),
    ]


def tick() -> list[Figure]:
    """From a tick to the start of its job, ten times a second, nothing else to do."""
    with scene() as one:
        one.environment["BENCH_BEAT_S"] = str(BEAT_S)
        with one.worker() as worker:
            worker.wait_for(lambda: one.settled() >= BEATS)
        jobs = one.app.store.jobs(JobQuery(tag="schedule:beat", limit=BEATS)).jobs
    usages = [(job, decode_record(job.record).usage) for job in jobs if job.record is not None]
    delays = sorted(float(usage.started_ms - job.run_at_ms) for job, usage in usages if usage is not None)
    return [
        Figure("from a tick to its job's start, p50", "ms", quantile(delays, 0.5), note=f"{len(delays)} ticks"),
        Figure("from a tick to its job's start, p99", "ms", quantile(delays, 0.99)),
    ]


def _idle(count: int) -> tuple[float, float, float]:
    """PSS of the worker's whole tree in MiB, its processor in percent, and how long bringing the schedules took."""
    with scene() as one:
        one.environment["BENCH_YEARLY"] = str(count)
        began = time.monotonic()
        with one.worker() as worker:
            last = f"yearly report of tenant {count - 2:05}"
            worker.wait_for(lambda: not count or len(one.app.store.schedules(after=last)) == 1)
            brought_s = time.monotonic() - began
            time.sleep(REST_S)
            percent = worker.percent()
            return pss(tree(worker.pid)) / MIB, percent, brought_s
