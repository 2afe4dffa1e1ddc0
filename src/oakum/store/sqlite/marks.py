"""Unique and idempotency keys: which job has which, and for how long nobody else may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from oakum.model.ids import id_wall_ms
from oakum.model.intake import Owner
from oakum.model.job import NewJob, State
from oakum.model.lifecycle import KEYS_KEPT_MS
from oakum.store.sqlite.connection import fetch_one
from oakum.store.sqlite.database import Database

_UNIQUE_OWNER: Final = """
SELECT job.id, job.state, job.token > 0 FROM mark JOIN job ON job.seq = mark.seq AND job.id = mark.id WHERE mark.key = ?
"""


def unique_owner(db: Database, key: bytes) -> Owner | None:
    """The kept job that a unique key was given to last."""
    row = fetch_one(db, _UNIQUE_OWNER, (b"u" + key,))
    return None if row is None else Owner(bytes(row[0]), State(row[1]), id_wall_ms(row[0]), bool(row[2]))


def idempotency_owner(db: Database, key: bytes, now_ms: int) -> bytes | None:
    """The job that has an idempotency key, kept or not."""
    row = fetch_one(db, "SELECT id, until FROM mark WHERE key = ?", (b"i" + key,))
    return bytes(row[0]) if row is not None and (row[1] is None or row[1] > now_ms) else None


def keep(db: Database, job: NewJob, seq: int) -> None:
    """Gives a job the keys that it wants."""
    wanted = ((b"u", job.unique.key if job.unique is not None else None), (b"i", job.idempotency))
    values = [(prefix + key, seq, job.id) for prefix, key in wanted if key is not None]
    db.executemany("INSERT OR REPLACE INTO mark(key, seq, id) VALUES(?, ?, ?)", values)


def release(db: Database, seqs: Sequence[int], now_ms: int) -> None:
    """Jobs have ended: from here on their idempotency keys have an end. Unique ones are judged by the job's state."""
    values = [(now_ms + KEYS_KEPT_MS, seq) for seq in seqs]
    db.executemany("UPDATE mark SET until = ? WHERE seq = ? AND substr(key, 1, 1) = x'69'", values)  # b"i"


def drop(db: Database, seqs: Sequence[tuple[int]]) -> None:
    """Jobs are pruned, and their unique keys with them."""
    db.executemany("DELETE FROM mark WHERE seq = ? AND substr(key, 1, 1) = x'75'", seqs)  # b"u"
