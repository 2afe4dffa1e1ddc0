"""Taking jobs out: the first in order of every task that the worker wants, within its bytes and its number."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final

from oakum.model.job import Claimed, State
from oakum.model.lifecycle import EXPIRED
from oakum.store import meta
from oakum.store.base import Want
from oakum.store.sqlite import keys
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.ending import COLUMNS, end_waiting
from oakum.store.sqlite.limits import Limits
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

PROMOTED_AT_ONCE: Final = 1000

_COLUMNS: Final = "seq, id, task, queue, payload, token, tries, crashes, over, suspect, meta, key, expires_at"
_READY: Final = f"""
SELECT rank, run_at, {_COLUMNS} FROM job
WHERE state = 0 AND queue = ? AND task = ? ORDER BY rank, run_at, seq
"""
_TAKE: Final = "UPDATE job SET state = 1, holder = ?, token = token + 1 WHERE seq = ?"
_HELD: Final = f"SELECT {_COLUMNS} FROM job WHERE state = 1 AND holder = ? ORDER BY seq LIMIT ?"
_ONE: Final = f"SELECT {_COLUMNS} FROM job WHERE seq = ? AND state = 1 AND holder = ?"
_EXPIRING: Final = "expires_at IS NOT NULL AND state < 4 AND state <> 1"  # word for word as in the index
_EXPIRED: Final = f"SELECT {COLUMNS} FROM job WHERE expires_at <= ? AND {_EXPIRING} ORDER BY expires_at, seq LIMIT ?"
_DUE: Final = "SELECT seq FROM job WHERE state = 2 AND run_at <= ? ORDER BY run_at, seq LIMIT ?"
# One with a key and no place of it stays, until `keys.enter` has looked for one.
_PROMOTE: Final = f"""
UPDATE job SET state = iif(placed = 0, 2, 0) WHERE seq IN ({_DUE}) RETURNING queue, task, length(payload), placed = 0, seq
"""
_PUT_OFF: Final = "UPDATE job SET state = 2, run_at = ? WHERE seq = ?"
_NEXT_DUE: Final = f"""
SELECT min(at) FROM (SELECT min(run_at) AS at FROM job WHERE state = 2
    UNION ALL SELECT min(expires_at) FROM job WHERE {_EXPIRING})
"""

Weights = dict[int, int]


def wanted(db: Database, names: Names, want: Want, limits: Limits) -> list[tuple[int, Weights]]:
    """The queues that a claim would look into, and what a job of each of their waiting tasks weighs."""
    found: list[tuple[int, Weights]] = []
    for queue in want.queues:
        number = names.find(db, queue)
        if number is None or fetch_one(db, "SELECT 1 FROM paused WHERE queue = ?", (number,)):
            continue
        if limits.left("queue", number) <= 0:
            continue
        weights: Weights = {}
        for (task,) in db.execute("SELECT task FROM tally WHERE queue = ? AND state = 0 AND jobs > 0", (number,)):
            weight = want.weights.get(names.text(db, task))
            if weight is not None and weight <= want.room and limits.left("task", task) > 0:
                weights[task] = weight
        if weights:
            found.append((number, weights))
    return found


def look(db: Database, names: Names, want: Want, now_ms: int) -> bool:
    """Whether a claim would find anything to take."""
    return bool(wanted(db, names, want, Limits(db, names, now_ms)))


def claim(db: Database, names: Names, want: Want, now_ms: int) -> list[Claimed]:
    """See `oakum.store.base.Store.claim`; the caller is in a write transaction."""
    if not fetch_one(db, "SELECT 1 FROM holder WHERE number = ? AND fenced = 0", (want.holder,)):
        return []
    if is_due(db, now_ms):
        promote(db, names, now_ms, PROMOTED_AT_ONCE)
    limits, tally = Limits(db, names, now_ms), Tally()
    taken: list[Claimed] = []
    late: list[tuple[int, int]] = []
    room, left, payload = want.room, want.limit, want.payload
    for queue, weights in wanted(db, names, want, limits):
        started: dict[int, list[int]] = {}
        for line in _in_order(db, queue, weights, limits):
            task, expires_at = line[4], line[14]
            if expires_at is not None and expires_at <= now_ms:
                continue
            if limits:
                if limits.left("queue", queue) <= 0:
                    break
                opens_ms = limits.key_opens_ms(queue, line[13])
                if opens_ms is not None:
                    late.append((opens_ms, line[2]))
                    tally.move(queue, task, State.AVAILABLE, State.SCHEDULED, 1, len(line[6]))
                    continue
            weight = weights[task]
            size = len(line[6])
            if weight > room or left == 0 or len(late) >= PROMOTED_AT_ONCE or (taken and size > payload):
                break
            room, left, payload = room - weight, left - 1, payload - size
            taken.append(_claimed(db, names, line[2:], 1))
            started.setdefault(task, []).append(size)
            if limits:
                limits.start(queue, task, line[13])
        for task, sizes in started.items():
            tally.move(queue, task, State.AVAILABLE, State.RUNNING, len(sizes), sum(sizes))
    db.executemany(_TAKE, [(want.holder, job.ref) for job in taken])
    db.executemany(_PUT_OFF, late)
    limits.save()
    tally.save(db)
    return taken


def _in_order(db: Database, queue: int, weights: Weights, limits: Limits) -> Iterator[Any]:
    """A queue's available jobs of some tasks, one index range a task, merged by (rank, run_at, seq)."""
    ranges: list[Iterator[Any]] = [db.execute(_READY, (queue, task)) for task in weights]
    if limits:
        ranges = [_allowed(rows, task, limits) for rows, task in zip(ranges, weights, strict=True)]
    if len(ranges) == 1:
        return iter(ranges[0])
    return heapq.merge(*ranges, key=lambda line: (line[0], line[1], line[2]))


def _allowed(rows: Iterator[Any], task: int, limits: Limits) -> Iterator[Any]:
    """As much of a range as the task's limit and rate leave: what is behind is not looked at."""
    for line in rows:
        if limits.left("task", task) <= 0:
            return
        yield line


def held(db: Database, names: Names, holder: int, limit: int) -> list[Claimed]:
    """See `oakum.store.base.Store.held`."""
    return [_claimed(db, names, row, 0) for row in db.execute(_HELD, (holder, limit))]


def one(db: Database, names: Names, holder: int, seq: int | None) -> list[Claimed]:
    """A job that a holder was given, if he still has it."""
    return [_claimed(db, names, row, 0) for row in db.execute(_ONE, (seq, holder))]


def _claimed(db: Database, names: Names, row: Any, more: int) -> Claimed:
    """A job from its columns; `more` is added to the token, for a claim that is about to be written."""
    seq, job_id, task, queue, payload, token, tries, crashes, over, suspect, column, key, expires_at = row
    extra = meta.unpack(column)
    return Claimed(
        seq, job_id, names.text(db, task), names.text(db, queue), payload, token + more,
        tries, crashes, over, bool(suspect), extra.overrides, extra.tags, key, expires_at,
    )  # fmt: skip


def promote(db: Database, names: Names, now_ms: int, limit: int) -> int:
    """See `oakum.store.base.Store.promote`; the caller is in a write transaction."""
    tally = Tally()
    expired = fetch_all(db, _EXPIRED, (now_ms, limit))
    end_waiting(db, names, expired, EXPIRED, now_ms, tally)
    due = fetch_all(db, _PROMOTE, (now_ms, limit - len(expired)))
    for queue, task, size, keyed, _ in due:
        if not keyed:
            tally.move(queue, task, State.SCHEDULED, State.AVAILABLE, 1, size)
    keys.enter(db, names, sorted(row[4] for row in due if row[3]), tally)
    tally.save(db)
    return len(expired) + len(due)


def next_due(db: Database) -> int | None:
    """See `oakum.store.base.Store.next_due`: two index look-ups."""
    at = fetch_one(db, _NEXT_DUE)[0]
    return None if at is None else int(at)


def is_due(db: Database, now_ms: int) -> bool:
    """Whether `promote` would find anything."""
    at = next_due(db)
    return at is not None and at <= now_ms
