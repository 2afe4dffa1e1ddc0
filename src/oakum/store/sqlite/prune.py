"""Letting go of ended jobs whose retention is over, a bounded number at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from oakum.store.sqlite import marks
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.settle import add_to_total, drop_logs
from oakum.store.sqlite.tally import Tally

_OVER: Final = "state > 3 AND keep_until <= ?"
_STALE_KEYS: Final = "until IS NOT NULL AND until <= ?"
_PAST_LINES: Final = "SELECT queue, key FROM line WHERE arrival <= ?"
# The number of a pruned job is never given again: a late settle of it must find nothing.
_REMEMBER_LAST: Final = """
INSERT INTO total(name, value) SELECT 'seq', max(seq) FROM job WHERE true
ON CONFLICT DO UPDATE SET value = max(value, excluded.value)
"""

_DELETE: Final = "DELETE FROM job WHERE seq = ? RETURNING queue, task, state, length(payload)"
_GONE: Final = (
    "INSERT INTO gone(queue, task, jobs) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs"
)
_FORGET: Final = "UPDATE job SET keep_until = ? WHERE id = ? AND state > 3 AND keep_until > ?"


def prunable(db: Database, now_ms: int) -> int:
    """See `oakum.store.base.Store.prunable`."""
    return int(fetch_one(db, f"SELECT count(*) FROM job WHERE {_OVER}", (now_ms,))[0])


def is_due(db: Database, now_ms: int) -> bool:
    """Whether `prune` would find anything: three index look-ups."""
    found = (f"SELECT 1 FROM job WHERE {_OVER}", f"SELECT 1 FROM mark WHERE {_STALE_KEYS}", _PAST_LINES)
    return any(fetch_one(db, query, (now_ms,)) for query in found)


def prune(db: Database, now_ms: int, limit: int) -> int:
    """See `oakum.store.base.Store.prune`; the caller is in a write transaction."""
    db.execute(f"DELETE FROM mark WHERE key IN (SELECT key FROM mark WHERE {_STALE_KEYS} LIMIT ?)", (now_ms, limit))
    db.execute(f"DELETE FROM line WHERE (queue, key) IN ({_PAST_LINES} LIMIT ?)", (now_ms, limit))
    rows = fetch_all(db, f"SELECT seq FROM job WHERE {_OVER} ORDER BY keep_until, seq LIMIT ?", (now_ms, limit))
    if not rows:
        return 0
    db.execute(_REMEMBER_LAST)
    db.executemany("DELETE FROM start WHERE seq = ?", rows)
    tally = Tally()
    logs, gone = 0, Counter[tuple[int, int]]()
    for row in rows:
        for queue, task, state, size in fetch_all(db, _DELETE, row):
            tally.add(queue, task, state, -1, -size)
            gone[queue, task] += 1
        logs += drop_logs(db, "seq = ?", row)
    if logs:
        add_to_total(db, -logs)
    db.executemany(_GONE, [(queue, task, jobs) for (queue, task), jobs in gone.items()])
    if fetch_one(db, "SELECT 1 FROM mark"):
        marks.drop(db, rows)
    tally.save(db)
    return len(rows)


def forget(db: Database, ids: Sequence[bytes], now_ms: int) -> int:
    """See `oakum.store.base.Store.forget`; the caller is in a write transaction."""
    before = db.total_changes()
    db.executemany(_FORGET, [(now_ms, each, now_ms) for each in ids])
    return db.total_changes() - before
