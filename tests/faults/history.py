"""What a store may never have done to its jobs: the promises of delivery, checked on what was seen to happen.

A history has three witnesses that know nothing of each other: the caller, who wrote down each job that was acknowledged; the
tasks, who wrote down when they began and ended; the store, read when all is over.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from oakum.model.job import State


@dataclass(frozen=True, slots=True)
class Run:
    """What one start of a job wrote down: its fencing token, and CLOCK_MONOTONIC in nanoseconds. No `ended_ns`: it was cut short."""

    job: str
    token: int
    began_ns: int
    ended_ns: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store says of a job in the end: its state, the token of its last claim, how many of its starts have completed."""

    job: str
    state: State
    token: int
    completed: int


def faults(acknowledged: Iterable[str], runs: Iterable[Run], kept: Iterable[Kept]) -> list[str]:
    """Everything in a history that must not be, each in one line; none where every promise was kept."""
    jobs = list(acknowledged)
    by_job: dict[str, list[Run]] = {}
    for run in runs:
        by_job.setdefault(run.job, []).append(run)
    rows = list(kept)
    found = {row.job: row for row in rows}
    return [
        *(f"{job}: acknowledged, and not in the store" for job in jobs if job not in found),
        *(f"{job}: in the store, and nobody enqueued it" for job in found.keys() - set(jobs)),
        *(f"{job}: {times} rows" for job, times in Counter(row.job for row in rows).items() if times > 1),
        *(
            fault
            for row in rows
            for fault in _of_one(row, sorted(by_job.get(row.job, ()), key=lambda run: run.began_ns))
        ),
    ]


def _of_one(row: Kept, runs: list[Run]) -> Iterator[str]:
    job = row.job
    if not row.state.terminal:
        yield f"{job}: never ended, is {row.state.label}"
    if row.completed > 1:
        yield f"{job}: settled as completed {row.completed} times"
    if (row.state is State.COMPLETED) != (row.completed == 1):
        yield f"{job}: is {row.state.label} with {row.completed} completed starts"
    finished = {run.token for run in runs if run.ended_ns is not None}
    if row.state is State.COMPLETED and row.token not in finished:
        yield f"{job}: completed by start {row.token}, which never came to its end"
    for token, times in Counter(run.token for run in runs).items():
        if times > 1:
            yield f"{job}: start {token} was run {times} times"
        if token > row.token:
            yield f"{job}: start {token} ran, and the store knows of {row.token}"
    for earlier, later in itertools.pairwise(runs):
        if later.token < earlier.token:
            yield f"{job}: start {later.token} began after start {earlier.token}"
        if earlier.ended_ns is not None and later.began_ns < earlier.ended_ns:
            yield f"{job}: starts {earlier.token} and {later.token} ran at the same time"
