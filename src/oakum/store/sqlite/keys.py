"""Jobs with a key: which of them have a place of it, and who comes next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from oakum.model.ids import id_wall_ms
from oakum.model.job import State
from oakum.store.sqlite import rules
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

_PLACED: Final = "SELECT count(*) FROM job WHERE queue = ? AND key = ? AND placed = 1"
# The last of those that have a place and were never started: one that comes before it may have its place.
_LAST: Final = """
SELECT rank, run_at, seq, task, length(payload), id FROM job
WHERE queue = ? AND key = ? AND placed = 1 AND state = 0 AND token = 0 ORDER BY rank DESC, run_at DESC, seq DESC LIMIT 1
"""
_NEXT: Final = """
SELECT seq, task, length(payload) FROM job WHERE queue = ? AND key = ? AND state = 3 ORDER BY rank, run_at, seq LIMIT ?
"""
_LET_IN: Final = "UPDATE job SET state = 0, placed = 1, run_at = coalesce(?, run_at) WHERE seq = ?"
_ENTERING: Final = "SELECT queue, key, rank, run_at, task, length(payload) FROM job WHERE seq = ?"
_HELD_BACK: Final = "SELECT DISTINCT key FROM job WHERE queue = ? AND state = 3"

Order = tuple[int, int, int]
"""Rank, start time, sequence: what comes first in a queue."""


def take_place(db: Database, queue: int, key: str, order: Order, places: int, tally: Tally) -> bool:
    """Whether there is a place for a job; one that comes first has that of a later one, which is held from now on."""
    if fetch_one(db, _PLACED, (queue, key))[0] < places:
        return True
    last = fetch_one(db, _LAST, (queue, key))
    if last is None or last[:3] <= order:
        return False
    came_in = id_wall_ms(last[5])  # where it stood before it had a place
    db.execute("UPDATE job SET state = 3, placed = 0, run_at = min(run_at, ?) WHERE seq = ?", (came_in, last[2]))
    tally.move(queue, last[3], State.AVAILABLE, State.HELD, 1, last[4])
    return True


def enter(db: Database, names: Names, seqs: Iterable[int], tally: Tally) -> None:
    """Makes scheduled jobs available, or holds them where there is no place of their key."""
    for seq in seqs:
        queue, key, rank, run_at, task, size = fetch_one(db, _ENTERING, (seq,))
        placed = take_place(db, queue, key, (rank, run_at, seq), _places(db, names, queue), tally)
        after = State.AVAILABLE if placed else State.HELD
        db.execute("UPDATE job SET state = ?, placed = ? WHERE seq = ?", (after, placed, seq))
        tally.move(queue, task, State.SCHEDULED, after, 1, size)


def pass_on(db: Database, names: Names, keys: Iterable[tuple[int, str]], now_ms: int | None, tally: Tally) -> None:
    """Gives free places of keys, each with its queue, to those held longest, who then stand at the back of their
    priority; `now_ms` None: as they were."""
    places: dict[int, int] = {}
    for queue, key in keys:
        if queue not in places:
            places[queue] = _places(db, names, queue)
        free = places[queue] - fetch_one(db, _PLACED, (queue, key))[0]
        if free <= 0:
            continue
        for seq, task, size in fetch_all(db, _NEXT, (queue, key, free)):
            db.execute(_LET_IN, (now_ms, seq))
            tally.move(queue, task, State.HELD, State.AVAILABLE, 1, size)


def pass_on_all(db: Database, names: Names, queue: int, tally: Tally) -> None:
    """Gives free places of all keys of a queue to those held: there may be more of them."""
    pass_on(db, names, [(queue, key) for (key,) in fetch_all(db, _HELD_BACK, (queue,))], None, tally)


def _places(db: Database, names: Names, queue: int) -> int:
    return rules.in_force(db, "queue", names.text(db, queue)).key_limit
