"""Jobs on their way in: all of a transaction in one statement, and those with keys of their own looked at first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from oakum.model.job import NewJob, State
from oakum.store.base import Mark
from oakum.store.postgres.db import Db
from oakum.store.postgres.marks import contest, keep
from oakum.store.sqlite import meta

_INSERT: Final = """
WITH new AS (
    INSERT INTO oakum.job(id, task, queue, state, rank, run_at, payload, expires_at, meta, marked)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[],
        $8::bigint[], $9::bytea[], $10::boolean[])
    ON CONFLICT (id) DO NOTHING RETURNING queue, task, state, octet_length(payload) AS size
)
INSERT INTO oakum.delta SELECT queue, task, state, count(*), sum(size) FROM new GROUP BY queue, task, state
"""

Row = tuple[Any, ...]


def names_of(jobs: Iterable[NewJob]) -> Iterable[str]:
    """The names that `write_jobs` needs the numbers of."""
    return chain.from_iterable((job.task, job.queue) for job in jobs)


def is_plain(job: NewJob) -> bool:
    """Whether one statement is enough for it, so that it needs no transaction around."""
    return job.unique is None and job.idempotency is None


def write_jobs(db: Db, numbers: Mapping[str, int], jobs: Sequence[NewJob], now_ms: int) -> list[Mark]:
    """Writes jobs; answers who holds the keys of those that stay out. In a transaction, unless all are plain."""
    marks: list[Mark] = []
    won: dict[bytes, bytes] = {}
    if not all(map(is_plain, jobs)):
        marks, won = contest(db, jobs, now_ms)
        out = {mark.place for mark in marks}
        jobs = [job for place, job in enumerate(jobs) if place not in out]
    if jobs:
        marked = set(won.values())
        db.run(
            _INSERT,
            [list(column) for column in zip(*(_row(job, numbers, now_ms, marked) for job in jobs), strict=True)],
        )
    if won:
        keep(db, won)
    return marks


def _row(job: NewJob, numbers: Mapping[str, int], now_ms: int, marked: set[bytes]) -> Row:
    state = State.SCHEDULED if job.run_at_ms > now_ms else State.AVAILABLE
    return (
        job.id.hex(), numbers[job.task], numbers[job.queue], int(state), ~job.priority, job.run_at_ms or now_ms,
        job.payload, job.expires_ms, meta.pack(job), True if job.id in marked else None,
    )  # fmt: skip
