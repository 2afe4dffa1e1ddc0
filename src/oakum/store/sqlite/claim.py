"""Taking jobs out: the first in order of every task that the worker wants, within its bytes and its number."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final

import apsw
import msgspec

from oakum.model.job import Claimed, Overrides, State
from oakum.model.outcome import Expired, Record, encode_record
from oakum.store.base import Instant, Want
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.settle import ended
from oakum.store.sqlite.tally import Tally

COLUMNS: Final = "seq, id, task, queue, payload, token, tries, crashes, over, suspect, meta"
_READY: Final = f"""
SELECT rank, run_at, expires_at, {COLUMNS} FROM job
WHERE state = 0 AND queue = ? AND task = ? ORDER BY rank, run_at, seq LIMIT ?
"""
_TAKE: Final = "UPDATE job SET state = 1, holder = ?, token = token + 1 WHERE seq = ?"
_EXPIRED: Final = """
SELECT queue, task, state, seq FROM job WHERE expires_at <= ? AND expires_at IS NOT NULL AND state IN (0, 2) LIMIT ?
"""
_EXPIRED_RECORD: Final = encode_record(Record(0, Expired()))
_EXPIRED_KEEP_MS: Final = 86_400_000

Meta = tuple[Overrides | None, tuple[str, ...], bytes | None]
decode_meta: Final = msgspec.msgpack.Decoder(Meta).decode


def claim(db: apsw.Connection, names: Names, want: Want, now: Instant) -> list[Claimed]:
    """See `oakum.store.base.Store.claim`; the caller is in a write transaction and has promoted what is due."""
    row = fetch_one(db, "SELECT fenced FROM holder WHERE number = ?", (want.holder,))
    if row is None or row[0]:
        return []
    tally = Tally()
    taken: list[Claimed] = []
    room, left = want.room, want.limit
    weights = {names.find(db, task): weight for task, weight in want.weights.items() if weight <= room}
    for queue in want.queues:
        number = names.find(db, queue)
        if number is None or fetch_one(db, "SELECT 1 FROM paused WHERE queue = ?", (number,)):
            continue
        for line in _in_order(db, number, weights, left):
            if line[2] is not None and line[2] <= now.wall_ms:
                continue
            weight = weights[line[5]]
            if weight > room or left == 0:
                break
            room, left = room - weight, left - 1
            taken.append(claimed(db, names, line[3:], 1))
            tally.move(number, line[5], State.AVAILABLE, State.RUNNING)
        if left == 0:
            break
    db.executemany(_TAKE, [(want.holder, job.ref) for job in taken])
    tally.save(db)
    return taken


def _in_order(db: apsw.Connection, queue: int, weights: dict[int | None, int], limit: int) -> Iterator[Any]:
    """The queue's available jobs of the wanted tasks, one index range a task, merged by (rank, run_at, seq)."""
    waiting = fetch_all(db, "SELECT task FROM tally WHERE queue = ? AND state = 0 AND jobs > 0", (queue,))
    tasks = [task for (task,) in waiting if task in weights]
    ranges = [db.cursor().execute(_READY, (queue, task, limit)) for task in tasks]
    if len(ranges) == 1:
        return iter(ranges[0])
    return heapq.merge(*ranges, key=lambda line: (line[0], line[1], line[3]))


def claimed(db: apsw.Connection, names: Names, row: Any, more: int = 0) -> Claimed:
    """A job from its columns; `more` is added to the token, for a claim that is about to be written."""
    seq, job_id, task, queue, payload, token, tries, crashes, over, suspect, meta = row
    overrides: Overrides | None = None
    tags: tuple[str, ...] = ()
    if meta is not None:
        overrides, tags, _ = decode_meta(meta)
    return Claimed(
        seq, job_id, names.text(db, task), names.text(db, queue), payload, token + more,
        tries, crashes, over, bool(suspect), overrides, tags,
    )  # fmt: skip


def promote(db: apsw.Connection, now_ms: int, limit: int) -> int:
    """Ends expired waiting jobs and makes due scheduled ones available; how many changed."""
    tally = Tally()
    expired = fetch_all(db, _EXPIRED, (now_ms, limit))
    for queue, task, before, _ in expired:
        tally.move(queue, task, before, State.EXPIRED)
    seqs = [line[3] for line in expired]
    db.executemany(
        "UPDATE job SET state = 6, ended = ?, keep_until = ?, record = ? WHERE seq = ?",
        [(now_ms, now_ms + _EXPIRED_KEEP_MS, _EXPIRED_RECORD, seq) for seq in seqs],
    )
    ended(db, seqs, now_ms)
    due = fetch_all(
        db,
        "UPDATE job SET state = 0 WHERE seq IN (SELECT seq FROM job WHERE state = 2 AND run_at <= ? LIMIT ?)"
        " RETURNING queue, task",
        (now_ms, limit),
    )
    for queue, task in due:
        tally.move(queue, task, State.SCHEDULED, State.AVAILABLE)
    tally.save(db)
    return len(expired) + len(due)


def promotable(db: apsw.Connection, now_ms: int) -> bool:
    """Whether `promote` would find anything: two index look-ups."""
    return bool(
        fetch_one(
            db,
            "SELECT EXISTS(SELECT 1 FROM job WHERE state = 2 AND run_at <= ?1)"
            " OR EXISTS(SELECT 1 FROM job WHERE expires_at <= ?1 AND expires_at IS NOT NULL AND state IN (0, 2))",
            (now_ms,),
        )[0]
    )
