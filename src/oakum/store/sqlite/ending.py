"""Waiting jobs that end without a start: cancelled, expired, dropped by a full queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from oakum.model.lifecycle import Ending
from oakum.store.sqlite import keys, marks
from oakum.store.sqlite.connection import fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

COLUMNS: Final = "seq, queue, task, state, length(payload), key"
_END_WAITING: Final = "UPDATE job SET state = ?, ended = ?, keep_until = ?, record = ?, placed = NULL WHERE seq = ?"


def end_waiting(db: Database, names: Names, rows: Sequence[Any], ending: Ending, now_ms: int, tally: Tally) -> None:
    """Ends waiting jobs, given by their `COLUMNS`; whoever is held behind them comes next."""
    keep_until = now_ms + ending.kept_ms
    db.executemany(_END_WAITING, [(ending.state, now_ms, keep_until, ending.record, row[0]) for row in rows])
    for _, queue, task, before, size, _ in rows:
        tally.move(queue, task, before, ending.state, 1, size)
    if rows and fetch_one(db, "SELECT 1 FROM mark"):
        marks.release(db, [row[0] for row in rows], now_ms)
    keys.pass_on(db, names, {(row[1], row[5]) for row in rows if row[5] is not None}, now_ms, tally)
