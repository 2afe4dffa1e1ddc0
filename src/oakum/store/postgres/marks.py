"""Unique and idempotency keys: which job has which, and for how long nobody else may.

What becomes of a job that meets a key is decided by `oakum.model.intake`; a key is given back by its job's end, without a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from oakum.model.ids import id_wall_ms
from oakum.model.intake import Owner
from oakum.model.job import NewJob, State
from oakum.model.lifecycle import KEYS_KEPT_MS
from oakum.store.postgres.db import Db

# The rows of all keys are made, or locked, in one order by all: so that two who want the same ones wait, not deadlock.
_LOCK: Final = """
INSERT INTO oakum.mark(key, seq, id) SELECT key, 0, '00000000-0000-0000-0000-000000000000'
FROM (SELECT DISTINCT unnest($1::bytea[]) AS key ORDER BY key) AS wanted
ON CONFLICT (key) DO UPDATE SET key = excluded.key
"""
# Those that may be replaced: nobody claims or ends them until that is decided.
_STAY: Final = """
SELECT 1 FROM oakum.job WHERE id IN (SELECT id FROM oakum.mark WHERE key = ANY($1::bytea[]))
    AND state IN (0, 2, 3) AND token = 0 ORDER BY seq FOR UPDATE
"""
_HELD: Final = """
SELECT mark.key, uuid_send(mark.id), mark.until, job.state, job.ended, job.token > 0
FROM oakum.mark LEFT JOIN oakum.job ON job.id = mark.id WHERE mark.key = ANY($1::bytea[])
"""
_KEEP: Final = """
UPDATE oakum.mark SET seq = job.seq, id = job.id, until = NULL
FROM unnest($1::bytea[], $2::uuid[]) AS new(key, id) JOIN oakum.job ON job.id = new.id WHERE mark.key = new.key
"""

_CHANGES: Final = ("replace", "debounce")  # what a conflict may do to the job that is there


class Marks:
    """The keys that some jobs want, locked until the transaction ends, and who has them."""

    def __init__(self, db: Db, jobs: Sequence[NewJob], now_ms: int) -> None:
        self._db, self._now_ms = db, now_ms
        self._wanted = sorted({key for job in jobs for key in keys_of(job)})
        self._held: dict[bytes, Any] = {}
        if self._wanted:
            db.run(_LOCK, (self._wanted,))
            changing = [b"u" + job.unique.key for job in jobs if job.unique and job.unique.conflict in _CHANGES]
            if changing:
                db.run(_STAY, (changing,))
            self._held = {row[0]: row for row in db.all(_HELD, (self._wanted,))}

    def unique_owner(self, key: bytes) -> Owner | None:
        """The kept job that a unique key was given to last."""
        _, job_id, _, state, _, started = self._held[b"u" + key]
        return None if state is None else Owner(job_id, State(state), id_wall_ms(job_id), started)

    def idempotency_owner(self, key: bytes) -> bytes | None:
        """The job that has an idempotency key, kept or not."""
        _, job_id, until_ms, state, ended_ms, _ = self._held[b"i" + key]
        if state is not None:
            until_ms = None if ended_ms is None else ended_ms + KEYS_KEPT_MS
            return bytes(job_id) if until_ms is None or until_ms > self._now_ms else None
        return bytes(job_id) if until_ms is not None and until_ms > self._now_ms else None

    def keep(self, jobs: Sequence[NewJob]) -> None:
        """Writes who has which key now, once these jobs are in; the other rows that were made for the lock go."""
        if self._wanted:
            pairs = [(key, job.id.hex()) for job in jobs for key in keys_of(job)]
            self._db.run(_KEEP, ([key for key, _ in pairs], [job_id for _, job_id in pairs]))
            self._db.run("DELETE FROM oakum.mark WHERE seq = 0 AND key = ANY($1::bytea[])", (self._wanted,))


def keys_of(job: NewJob) -> list[bytes]:
    """The keys that a job wants, each with the letter of its kind."""
    return [
        prefix + key
        for prefix, key in ((b"u", job.unique.key if job.unique else None), (b"i", job.idempotency))
        if key is not None
    ]
