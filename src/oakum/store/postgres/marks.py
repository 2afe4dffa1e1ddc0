"""Unique and idempotency keys: which job has which, and for how long nobody else may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from oakum.model.job import NewJob, State
from oakum.model.lifecycle import KEYS_KEPT_MS
from oakum.store.base import Mark
from oakum.store.postgres.db import Db

# The rows of all keys are made, or locked, in one order by all: so that two who want the same ones wait, not deadlock.
_LOCK: Final = """
INSERT INTO oakum.mark(key, seq, id) SELECT key, 0, '00000000-0000-0000-0000-000000000000'
FROM (SELECT DISTINCT unnest($1::bytea[]) AS key ORDER BY key) AS wanted
ON CONFLICT (key) DO UPDATE SET key = excluded.key
"""
_HELD: Final = """
SELECT mark.key, uuid_send(mark.id), mark.until, job.state, job.ended
FROM oakum.mark LEFT JOIN oakum.job ON job.id = mark.id WHERE mark.key = ANY($1::bytea[])
"""
_THERE: Final = "SELECT uuid_send(id) FROM oakum.job WHERE id = ANY($1::uuid[])"
_KEEP: Final = """
UPDATE oakum.mark SET seq = job.seq, id = job.id, until = NULL
FROM unnest($1::bytea[], $2::uuid[]) AS new(key, id) JOIN oakum.job ON job.id = new.id WHERE mark.key = new.key
"""
_SWEEP: Final = "DELETE FROM oakum.mark WHERE seq = 0 AND key = ANY($1::bytea[])"


def keys_of(job: NewJob) -> list[bytes]:
    """The keys that a job wants, each with the letter of its kind."""
    return [
        prefix + key
        for prefix, key in ((b"u", job.unique.key if job.unique else None), (b"i", job.idempotency))
        if key is not None
    ]


def contest(db: Db, jobs: Sequence[NewJob], now_ms: int) -> tuple[list[Mark], dict[bytes, bytes]]:
    """Locks the keys that jobs want; answers which jobs stay out, and for whom, and the keys that the others win."""
    wanted = sorted({key for job in jobs for key in keys_of(job)})
    db.run(_LOCK, (wanted,))
    held = {row[0]: bytes(row[1]) for row in db.all(_HELD, (wanted,)) if _holds(row, now_ms)}
    there = {bytes(row[0]) for row in db.all(_THERE, ([job.id.hex() for job in jobs if keys_of(job)],))}
    marks: list[Mark] = []
    won: dict[bytes, bytes] = {}
    for place, job in enumerate(jobs):
        keys = keys_of(job)
        owner = next((held[key] for key in keys if key in held), None)
        if owner is not None and owner != job.id:
            marks.append(Mark(place, owner))
        elif job.id not in there:
            won.update(dict.fromkeys(keys, job.id))
            held.update(won)
    db.run(_SWEEP, ([key for key in wanted if key not in won],))
    return marks, won


def keep(db: Db, won: Mapping[bytes, bytes]) -> None:
    """Writes who has which key now, once the jobs are in."""
    db.run(_KEEP, (list(won), [job_id.hex() for job_id in won.values()]))


def _holds(row: Any, now_ms: int) -> bool:
    """Whether nobody else may have the key of a row of `_HELD`. A key is given back by its job's end, without a write."""
    key, _, until, state, ended = row
    if state is None:  # the job has been pruned
        return until is not None and until > now_ms
    if not State(state).terminal:
        return True
    return bool(key[:1] == b"i" and ended + KEYS_KEPT_MS > now_ms)
