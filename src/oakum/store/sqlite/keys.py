"""Jobs with a key: which of them have a place of it, and who comes next."""

from __future__ import annotations

from typing import Final

import apsw

from oakum.model.job import State
from oakum.store.sqlite import rules
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

_OF_KEY: Final = "queue = ? AND key = ? AND state < 4 AND placed"
_PLACED: Final = f"SELECT count(*) FROM job WHERE {_OF_KEY} = 1"
# The last of those that have a place and were never started: one that comes before it may have its place.
_LAST: Final = f"""
SELECT rank, run_at, seq, task, length(payload) FROM job WHERE {_OF_KEY} = 1 AND state = 0 AND token = 0
ORDER BY rank DESC, run_at DESC, seq DESC LIMIT 1
"""
_HELD: Final = (
    f"SELECT seq, task, length(payload) FROM job WHERE {_OF_KEY} = 0 AND state = 3 ORDER BY rank, run_at, seq LIMIT ?"
)
_LINES: Final = "SELECT DISTINCT key FROM job WHERE queue = ? AND key IS NOT NULL AND state < 4"


def enter(db: apsw.Connection, names: Names, seq: int, tally: Tally) -> None:
    """Makes a held job available where its key has a place; one that comes first takes the place of a later one."""
    row = fetch_one(db, "SELECT queue, key, rank, run_at, seq, task, length(payload) FROM job WHERE seq = ?", (seq,))
    queue, key, order, task, size = row[0], row[1], row[2:5], row[5], row[6]
    if fetch_one(db, _PLACED, (queue, key))[0] >= _places(db, names, queue):
        last = fetch_one(db, _LAST, (queue, key))
        if last is None or last[:3] <= order:
            return
        db.execute("UPDATE job SET state = 3, placed = 0 WHERE seq = ?", (last[2],))
        tally.move(queue, last[3], State.AVAILABLE, State.HELD, 1, last[4])
    db.execute("UPDATE job SET state = 0, placed = 1 WHERE seq = ?", (seq,))
    tally.move(queue, task, State.HELD, State.AVAILABLE, 1, size)


def pass_on(db: apsw.Connection, names: Names, queue: int, key: str, now_ms: int | None, tally: Tally) -> None:
    """Gives free places to those held longest, who then stand at the back of their priority; `now_ms` None: as they were."""
    free = _places(db, names, queue) - fetch_one(db, _PLACED, (queue, key))[0]
    for seq, task, size in fetch_all(db, _HELD, (queue, key, max(0, free))):
        db.execute("UPDATE job SET state = 0, placed = 1, run_at = coalesce(?, run_at) WHERE seq = ?", (now_ms, seq))
        tally.move(queue, task, State.HELD, State.AVAILABLE, 1, size)


def pass_on_all(db: apsw.Connection, names: Names, queue: int, tally: Tally) -> None:
    """Gives free places of all keys of a queue to those held: there may be more of them."""
    for (key,) in fetch_all(db, _LINES, (queue,)):
        pass_on(db, names, queue, key, None, tally)


def _places(db: apsw.Connection, names: Names, queue: int) -> int:
    return rules.in_force(db, "queue", names.text(db, queue)).key_limit
