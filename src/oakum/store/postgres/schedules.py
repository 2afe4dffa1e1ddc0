"""Schedules: one row each, changed only by whoever saw its last version."""

from __future__ import annotations

from typing import Any, Final

from oakum.store.kept import Scheduled
from oakum.store.postgres.db import Db

_COLUMNS: Final = "SELECT name, version, next, spec, state FROM oakum.schedule"
_FIRST: Final = """
INSERT INTO oakum.schedule(version, next, spec, state, name) VALUES($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_NEXT: Final = """
UPDATE oakum.schedule SET version = $1, next = $2, spec = $3, state = $4 WHERE name = $5 AND version = $1 - 1
"""


def write(db: Db, row: Scheduled) -> bool:
    """Writes a row, if the one kept is of the version before; whether it did."""
    return db.run(_FIRST if row.version == 1 else _NEXT, (row.version, row.next_ms, row.spec, row.state, row.name)) == 1


def by_name(db: Db, after: str, limit: int) -> list[Scheduled]:
    """A page by name, from beyond `after`."""
    return _rows(db, f"{_COLUMNS} WHERE name > $1 ORDER BY name LIMIT $2", (after, limit))


def due(db: Db, now_ms: int, limit: int) -> list[Scheduled]:
    """Those whose time has come, earliest first."""
    return _rows(db, f"{_COLUMNS} WHERE next <= $1 ORDER BY next, name LIMIT $2", (now_ms, limit))


def next_tick(db: Db) -> int | None:
    """When the first of all is due."""
    least: int | None = db.one("SELECT min(next) FROM oakum.schedule WHERE next IS NOT NULL")[0]
    return least


def drop(db: Db, name: str) -> bool:
    """Forgets one; whether it was there."""
    return db.run("DELETE FROM oakum.schedule WHERE name = $1", (name,)) == 1


def _rows(db: Db, text: str, values: tuple[Any, ...]) -> list[Scheduled]:
    return [Scheduled(*row) for row in db.all(text, values)]
