"""Bounds of queues: counted in the transaction that puts jobs in, so that nobody passes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from oakum.model.bounds import Rules
from oakum.model.intake import Room, dropped, fits, make_room
from oakum.model.job import NewJob
from oakum.model.lifecycle import Ending
from oakum.store.sqlite import ending
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

_OLDEST: Final = (
    f"SELECT {ending.COLUMNS} FROM job WHERE queue = ? AND aged = 1 AND state < 4 AND state <> 1 ORDER BY seq"
)
_KEEP_AGES: Final = "UPDATE job SET aged = 1 WHERE queue = ? AND state < 4 AND aged IS NULL"


def is_bounded(rules: Rules) -> bool:
    """Whether a queue has a bound at all."""
    return rules.max_jobs is not None or rules.max_bytes is not None


def keeps_ages(rules: Rules) -> bool:
    """Whether a queue lets go of its oldest jobs: only then is it known which those are."""
    return rules.on_full == "drop_oldest" and is_bounded(rules)


def keep_ages(db: Database, queue: int) -> None:
    """From now on it is known of the jobs that are there, too. Looks at all jobs, once."""
    db.execute(_KEEP_AGES, (queue,))


def have_room(db: Database, names: Names, ruled: Mapping[str, Rules], jobs: Sequence[NewJob], tally: Tally) -> bool:
    """Whether all of them fit into their queues, also if none of them is there already."""
    for queue, rules in ruled.items():
        if is_bounded(rules):
            load, sizes = tally.load(db, names.number(queue)), [len(job.payload) for job in jobs if job.queue == queue]
            if not fits(rules, load.jobs + len(sizes), load.bytes + sum(sizes)):
                return False
    return True


def let_go(
    db: Database, names: Names, ruled: Mapping[str, Rules], jobs: Sequence[NewJob], now_ms: int, tally: Tally
) -> dict[bytes, Ending]:
    """Ends what has to go so that new jobs fit; which of those end at once, and how. Raises QueueFull."""
    new: dict[bytes, Ending] = {}
    for queue, rules in ruled.items():
        mine = [job for job in jobs if job.queue == queue]
        if mine and is_bounded(rules):
            number, over = names.number(queue), dropped(queue, rules)
            room: Room[Any] = make_room(queue, rules, tally.load(db, number), mine, _oldest(db, number))
            ending.end_waiting(db, names, room.waiting, over, now_ms, tally)
            new |= dict.fromkeys(room.new, over)
    return new


def _oldest(db: Database, queue: int) -> Iterator[tuple[Any, int]]:
    for row in db.execute(_OLDEST, (queue,)):
        yield row, row[4]
