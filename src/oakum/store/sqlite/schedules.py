"""Schedules: one row each, changed only by whoever saw its last version."""

from __future__ import annotations

from typing import Any, Final

from oakum.store.kept import Scheduled
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database

_COLUMNS: Final = "SELECT name, version, next, spec, state FROM schedule"


def write(db: Database, row: Scheduled, holder: int | None) -> bool:
    """Writes a row, if the one kept is of the version before and `holder` has its rights; whether it did."""
    if holder is not None and not fetch_one(db, "SELECT 1 FROM holder WHERE number = ? AND fenced = 0", (holder,)):
        return False
    values = (row.version, row.next_ms, row.spec, row.state, row.name)
    if row.version == 1:
        db.execute(
            "INSERT INTO schedule(version, next, spec, state, name) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            values,
        )
    else:
        db.execute(
            "UPDATE schedule SET version = ?, next = ?, spec = ?, state = ? WHERE name = ? AND version = ?",
            (*values, row.version - 1),
        )
    return db.changes() == 1


def by_name(db: Database, after: str, limit: int) -> list[Scheduled]:
    """A page by name, from beyond `after`."""
    return _rows(db, f"{_COLUMNS} WHERE name > ? ORDER BY name LIMIT ?", (after, limit))


def due(db: Database, now_ms: int, limit: int) -> list[Scheduled]:
    """Those whose time has come, earliest first."""
    return _rows(db, f"{_COLUMNS} WHERE next <= ? ORDER BY next LIMIT ?", (now_ms, limit))


def next_tick(db: Database) -> int | None:
    """When the first of all is due."""
    least: int | None = fetch_one(db, "SELECT min(next) FROM schedule WHERE next IS NOT NULL")[0]
    return least


def drop(db: Database, name: str) -> bool:
    """Forgets one; whether it was there."""
    db.execute("DELETE FROM schedule WHERE name = ?", (name,))
    return db.changes() == 1


def _rows(db: Database, text: str, values: tuple[Any, ...]) -> list[Scheduled]:
    return [Scheduled(*row) for row in fetch_all(db, text, values)]
