"""Room of bounded queues that open transactions of callers have been promised: with it, two of them can't pass a bound together.

What such a transaction puts in is seen by nobody before it commits, and nobody may be made to wait for that. So its room is
noted by a transaction of our own, under its number, and counts for as long as that number is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from oakum.model.bounds import Rules
from oakum.model.intake import Load
from oakum.model.job import NewJob
from oakum.store.postgres import rules, tally
from oakum.store.postgres.db import Db

_PROMISED: Final = """
SELECT coalesce(sum(jobs), 0), coalesce(sum(bytes), 0) FROM oakum.credit
WHERE queue = $1 AND NOT txid_visible_in_snapshot(transaction, txid_current_snapshot())
"""
_PROMISE: Final = "INSERT INTO oakum.credit(queue, transaction, jobs, bytes) VALUES($1, $2, $3, $4)"
_FORGET: Final = (
    "DELETE FROM oakum.credit WHERE queue = $1 AND transaction < txid_snapshot_xmin(txid_current_snapshot())"
)


def transaction(db: Db) -> int:
    """The number of the transaction that is under way here."""
    return int(db.one("SELECT txid_current()")[0])


def load(db: Db, queue: int) -> Load:
    """What a queue holds, and is going to hold when all commit that were promised room.

    Promises come first: one that is kept between the two looks counts twice, and not never.
    """
    jobs, size = (int(number) for number in db.one(_PROMISED, (queue,)))
    held = tally.load(db, queue)
    return replace(held, jobs=held.jobs + jobs, bytes=held.bytes + size)


def promise(db: Db, number: int, queue: str, rule: Rules, jobs: Sequence[NewJob], transaction: int) -> Load:
    """Promises a caller's transaction the room for its jobs, as much of it as there is; what the queue held before.

    In a transaction of our own, which commits at once.
    """
    rules.read(db, "queue", [queue], lock="FOR NO KEY UPDATE")
    db.run(_FORGET, (number,))
    before = load(db, number)
    count = _at_most(rule.max_jobs, before.jobs, len(jobs))
    size = _at_most(rule.max_bytes, before.bytes, sum(len(job.payload) for job in jobs))
    db.run(_PROMISE, (number, transaction, count, size))
    return before


def _at_most(bound: int | None, held: int, wanted: int) -> int:
    return wanted if bound is None else max(0, min(wanted, bound - held))
