"""Letting go of ended jobs whose retention is over, a bounded number at a time."""

from __future__ import annotations

from typing import Final

from oakum.model.lifecycle import KEYS_KEPT_MS
from oakum.store.postgres import tally
from oakum.store.postgres.db import Db
from oakum.store.postgres.settle import drop_logs

LOGS_KEPT_BYTES: Final = 64 * 1024 * 1024

_OVER: Final = "state > 3 AND keep_until <= $1"
# The first of each index: a planner that expects a third of all rows to be over would look for one of them in the table itself.
_DUE: Final = """
SELECT least((SELECT keep_until FROM oakum.job WHERE state > 3 ORDER BY keep_until LIMIT 1),
    (SELECT until FROM oakum.mark WHERE until IS NOT NULL ORDER BY until LIMIT 1)) <= $1
"""
_STALE_KEYS: Final = """
DELETE FROM oakum.mark WHERE key IN (SELECT key FROM oakum.mark WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_PRUNE: Final = f"""
WITH over AS MATERIALIZED (
    SELECT ctid AS place FROM oakum.job WHERE {_OVER} ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM oakum.job WHERE ctid = ANY(ARRAY(SELECT place FROM over))
    RETURNING seq, queue, task, state, token, octet_length(payload) AS size, ended, marked
), told AS (
    INSERT INTO oakum.delta
    SELECT queue, task, CASE sign WHEN 1 THEN {tally.PRUNED} ELSE state END, sign * count(*), sign * sum(size)
    FROM gone, (VALUES (-1), (1)) AS side(sign) GROUP BY queue, task, state, sign
)
SELECT seq, ended, marked FROM gone
"""
_KEEP_KEYS: Final = """
UPDATE oakum.mark SET until = gone.ended + $3
FROM unnest($1::bigint[], $2::bigint[]) AS gone(seq, ended) WHERE mark.seq = gone.seq
"""
_DROP_KEYS: Final = "DELETE FROM oakum.mark WHERE seq = ANY($1::bigint[]) AND substr(key, 1, 1) = '\\x75'"  # b"u"

_IDLE_KEYS: Final = """
DELETE FROM oakum.line WHERE (queue, key) IN (
    SELECT queue, key FROM oakum.line WHERE arrival <= $1 AND NOT EXISTS (SELECT 1 FROM oakum.job
        WHERE job.queue = line.queue AND job.key = line.key AND state < 4) LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


def prunable(db: Db, now_ms: int) -> int:
    """See `oakum.store.base.Store.prunable`."""
    return int(db.one(f"SELECT count(*) FROM oakum.job WHERE {_OVER}", (now_ms,))[0])


def is_due(db: Db, now_ms: int) -> bool:
    """Whether `prune` would find anything: two index look-ups, and the sum of the logs."""
    return bool(db.one(_DUE, (now_ms,))[0]) or tally.log_bytes(db) > LOGS_KEPT_BYTES


def prune(db: Db, now_ms: int, limit: int) -> int:
    """See `oakum.store.base.Store.prune`; in a transaction."""
    db.run(_STALE_KEYS, (now_ms, limit))
    if tally.log_bytes(db) > LOGS_KEPT_BYTES:
        drop_logs(db, "WHERE (seq, token) IN (SELECT seq, token FROM oakum.log ORDER BY seq, token LIMIT $1)", (limit,))
    db.run(_IDLE_KEYS, (now_ms, limit))
    rows = db.all(_PRUNE, (now_ms, limit))
    if not rows:
        return 0
    seqs = [row[0] for row in rows]
    db.run("DELETE FROM oakum.start WHERE seq = ANY($1::bigint[])", (seqs,))
    drop_logs(db, "WHERE seq = ANY($1::bigint[])", (seqs,))
    marked = [row for row in rows if row[2]]
    if marked:
        db.run(_DROP_KEYS, ([row[0] for row in marked],))
        db.run(_KEEP_KEYS, ([row[0] for row in marked], [row[1] for row in marked], KEYS_KEPT_MS))
    return len(rows)
