"""Whether the file is shut, and why, or of a later version: looked at in each transaction that this forbids."""

from __future__ import annotations

from oakum.store.moving import NOTICE, Notice
from oakum.store.sqlite import schema
from oakum.store.sqlite.connection import fetch_one
from oakum.store.sqlite.database import Database


def read(db: Database) -> Notice | None:
    """Why the store is shut, None while it is open."""
    row = fetch_one(db, "SELECT value FROM memo WHERE name = ?", (NOTICE,))
    return None if row is None else Notice.decode(row[0])


def write(db: Database, notice: Notice | None) -> None:
    """Shuts the store, or opens it; the caller is in a write transaction."""
    db.execute("DELETE FROM memo WHERE name = ?", (NOTICE,))
    if notice is not None:
        db.execute("INSERT INTO memo(name, value) VALUES(?, ?)", (NOTICE, notice.encode()))


def refuse(db: Database, path: str) -> None:
    """Raises StoreMoved where the store is shut, StoreTooNew where it became one of a later version since it was opened."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > schema.VERSION:
        schema.refuse_newer(version, path)
    notice = read(db)
    if notice is not None:
        raise notice.refusal(path)
