"""Whether the store is shut, and why, or of a later version: two rows, looked at by each statement that they forbid.

A statement sees what was committed when it had its locks. So whoever shuts the store waits for all who write jobs, and
whoever writes jobs after that sees it.
"""

from __future__ import annotations

from typing import Final

from oakum.store.moving import NOTICE, Notice
from oakum.store.postgres import schema
from oakum.store.postgres.db import Db

PATIENCE: Final = "3s"
VALUE: Final = f"SELECT value FROM oakum.memo WHERE name = '{NOTICE}'"
VERSION: Final = "SELECT version FROM oakum.schema"


def read(db: Db) -> Notice | None:
    """Why the store is shut, None while it is open."""
    row = db.one(VALUE)
    return None if row is None else Notice.decode(row[0])


def write(db: Db, notice: Notice | None) -> None:
    """Shuts the store, or opens it; in a transaction. Raises LockNotAvailable when somebody who writes does not end."""
    db.run("SELECT set_config('lock_timeout', $1, true)", (PATIENCE,))  # meanwhile nobody else writes
    db.run("LOCK TABLE oakum.job IN SHARE ROW EXCLUSIVE MODE")
    db.run(f"DELETE FROM oakum.memo WHERE name = '{NOTICE}'")
    if notice is not None:
        db.run(f"INSERT INTO oakum.memo VALUES('{NOTICE}', $1)", (notice.encode(),))


def refuse(db: Db, shown: str) -> None:
    """Raises StoreMoved where the store is shut, StoreTooNew where it is of a later version. What is neither stays so until
    the transaction ends."""
    db.run("LOCK TABLE oakum.job IN ROW EXCLUSIVE MODE")
    value, version = db.one(f"SELECT ({VALUE}), ({VERSION})")
    judge(value, version, shown)


def judge(value: bytes | None, version: int, shown: str) -> None:
    """The same, of what `VALUE` and `VERSION` have answered."""
    schema.refuse_newer(version, shown)
    if value is not None:
        raise Notice.decode(value).refusal(shown)
