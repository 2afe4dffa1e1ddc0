"""How many jobs a second: through two children, and into the store."""

from __future__ import annotations

import os
import tempfile

from bench import bare
from bench.rig.figure import Figure, at_least, share
from bench.rig.scene import Scene, scene

from oakum.model.job import JobQuery
from oakum.model.outcome import Completed, decode_record

JOBS = 100_000
ROWS = 200_000
BLOCKS, BLOCK = 10, 100


def rate() -> list[Figure]:
    """No-op jobs through SQLite with two children: results and memory peaks kept, each counted by its task."""
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        bare_rate, bare_cpu_us = bare.loop_rate(f"{directory}/bare.db", JOBS)
    with scene() as one:
        one.fill(JOBS)
        with one.worker() as worker:
            pace = worker.finish()
        check_records(one)
    return [
        Figure("jobs, two children", "1/s", pace.rate, bare_rate, at_least(40_000)),
        Figure("processor time of a job, all processes", "us", pace.cpu_us, bare_cpu_us),
    ]


def check_records(one: Scene) -> None:
    """A rate counts only if what it promises was kept."""
    for job in one.app.desk.store.jobs(JobQuery(limit=1000)).jobs:
        record = decode_record(job.record or b"")
        if not isinstance(record.outcome, Completed) or record.usage is None:
            raise RuntimeError(f"a job left no result and no peak: {record}")


def enqueue() -> list[Figure]:
    """Jobs handed in: many at once, and one by one, each acknowledged when it is on the disk."""
    with scene() as one, tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        bare_many = bare.insert_rate(f"{directory}/many.db", ROWS, 1000)
        many = one.fill(ROWS)
        single_s = bare_s = 0.0
        for block in range(BLOCKS):  # in turns: the disk's mood changes from second to second
            bare_s += BLOCK / bare.insert_rate(os.path.join(directory, f"one-{block}.db"), BLOCK, 1)
            single_s += BLOCK / one.fill_singly(BLOCK)
    each = BLOCKS * BLOCK
    return [
        Figure("enqueue_many", "1/s", many, bare_many, share(0.6)),
        Figure("enqueue", "1/s", each / single_s, each / bare_s, share(0.7)),
    ]
