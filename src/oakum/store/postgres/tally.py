"""How many jobs there are by queue, task and state, without a row that every transaction must wait for.

Each statement that moves jobs leaves rows of differences in `delta`; now and then somebody adds them to `tally`. The
count is the sum of both. Two more states are counted that no job is in: those that were pruned, and the bytes of logs.
"""

from __future__ import annotations

from typing import Any, Final

from oakum.model.intake import Load
from oakum.model.job import State
from oakum.store.base import Count, Flow
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names

PRUNED: Final = -1
LOGS: Final = -2
NOBODY: Final = 0  # the queue and task of the logs
FOLD_AFTER: Final = 200  # statements of one process

SUM: Final = """
SELECT queue, task, state, sum(jobs)::bigint AS jobs, sum(bytes)::bigint AS bytes
FROM (SELECT * FROM oakum.tally UNION ALL SELECT * FROM oakum.delta) AS change
"""
_ALL: Final = f"{SUM} WHERE state >= $1 GROUP BY queue, task, state HAVING sum(jobs) > 0"
_LOAD: Final = f"""
SELECT coalesce(sum(jobs), 0), coalesce(sum(bytes), 0), coalesce(sum(jobs) FILTER (WHERE state = 1), 0),
    coalesce(sum(bytes) FILTER (WHERE state = 1), 0)
FROM ({SUM} WHERE queue = $1 AND state BETWEEN 0 AND 3 GROUP BY queue, task, state) AS held
"""
_RUNNING: Final = f"SELECT queue, task, jobs FROM ({SUM} WHERE state = 1 GROUP BY queue, task, state) AS running"
_FLOWS: Final = f"""
SELECT queue, task, sum(jobs)::bigint, coalesce(sum(jobs) FILTER (WHERE state > 3 OR state = {PRUNED}), 0)::bigint,
    coalesce(sum(jobs) FILTER (WHERE state = 0), 0) > 0
FROM ({SUM} WHERE state >= {PRUNED} GROUP BY queue, task, state) AS change GROUP BY queue, task HAVING sum(jobs) > 0
"""
# Priorities are few: the least of each is found by stepping from one to the next.
_OLDEST: Final = """
WITH RECURSIVE first AS (
    (SELECT rank, run_at FROM oakum.job WHERE state = 0 AND queue = $1 AND task = $2 ORDER BY rank, run_at LIMIT 1)
    UNION ALL
    SELECT next.* FROM first, LATERAL (SELECT rank, run_at FROM oakum.job
        WHERE state = 0 AND queue = $1 AND task = $2 AND rank > first.rank ORDER BY rank, run_at LIMIT 1) AS next
)
SELECT min(run_at) FROM first
"""
_ADD: Final = "INSERT INTO oakum.delta(queue, task, state, jobs, bytes) VALUES($1, $2, $3, $4, $5)"
_FOLD: Final = """
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock('oakum.tally'::regclass::bigint) AS ok),
gone AS (DELETE FROM oakum.delta WHERE (SELECT ok FROM mine) RETURNING *)
INSERT INTO oakum.tally SELECT queue, task, state, sum(jobs), sum(bytes) FROM gone GROUP BY queue, task, state
ON CONFLICT (queue, task, state) DO UPDATE SET jobs = tally.jobs + excluded.jobs, bytes = tally.bytes + excluded.bytes
"""


def counts(db: Db, names: Names) -> list[Count]:
    """See `oakum.store.base.Store.counts`."""
    rows = db.all(_ALL, (State.AVAILABLE,))
    return [Count(names.text(db, q), names.text(db, t), State(state), jobs, size) for q, t, state, jobs, size in rows]


def load(db: Db, queue: int) -> Load:
    """What a queue holds of jobs that have not ended."""
    return Load(*(int(number) for number in db.one(_LOAD, (queue,))))


def running(db: Db) -> dict[tuple[int, int], int]:
    """How many jobs run, by queue and task."""
    return {(queue, task): jobs for queue, task, jobs in db.all(_RUNNING)}


def flows(db: Db, names: Names) -> list[Flow]:
    """See `oakum.store.base.Store.flows`."""
    return [
        Flow(
            names.text(db, queue), names.text(db, task), arrived, ended,
            db.one(_OLDEST, (queue, task))[0] if waiting else None,
        )
        for queue, task, arrived, ended, waiting in db.all(_FLOWS)
    ]  # fmt: skip


def add(db: Db, queue: int, task: int, state: int, jobs: int, size: int) -> None:
    """Notes one difference."""
    db.run(_ADD, (queue, task, state, jobs, size))


def log_bytes(db: Db) -> int:
    """How many bytes of logs are kept."""
    row: Any = db.one(f"{SUM} WHERE state = $1 GROUP BY queue, task, state", (LOGS,))
    return 0 if row is None else int(row[4])


def fold(db: Db) -> None:
    """Adds the differences up, unless somebody else is doing so."""
    db.run(_FOLD)
