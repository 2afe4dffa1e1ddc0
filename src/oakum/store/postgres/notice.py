"""Whether the store is shut, and why: one row, looked at by each statement that it forbids.

A statement sees what was committed when it had its locks. So whoever shuts the store waits for all who write jobs, and
whoever writes jobs after that sees it.
"""

from __future__ import annotations

from typing import Final

from oakum.store.moving import NOTICE, Notice
from oakum.store.postgres.db import Db

VALUE: Final = f"SELECT value FROM oakum.memo WHERE name = '{NOTICE}'"


def read(db: Db) -> Notice | None:
    """Why the store is shut, None while it is open."""
    row = db.one(VALUE)
    return None if row is None else Notice.decode(row[0])


def write(db: Db, notice: Notice | None) -> None:
    """Shuts the store, or opens it; in a transaction."""
    db.run("LOCK TABLE oakum.job IN SHARE ROW EXCLUSIVE MODE")
    db.run(f"DELETE FROM oakum.memo WHERE name = '{NOTICE}'")
    if notice is not None:
        db.run(f"INSERT INTO oakum.memo VALUES('{NOTICE}', $1)", (notice.encode(),))


def refuse(db: Db, shown: str) -> None:
    """Raises StoreMoved where the store is shut; where not, it stays open until the transaction ends."""
    db.run("LOCK TABLE oakum.job IN ROW EXCLUSIVE MODE")
    notice = read(db)
    if notice is not None:
        raise notice.refusal(shown)
