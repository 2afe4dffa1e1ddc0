"""The workers that hold jobs: their leases, and the fence that ends one's rights for good."""

from __future__ import annotations

from typing import Final

import msgspec

from oakum.store.base import Holder, Identity, Instant
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Identity).decode


def enrol(db: Database, identity: Identity, lease_ms: int, now: Instant) -> int:
    """See `oakum.store.base.Store.enrol`."""
    db.execute(
        "INSERT INTO holder(identity, lease_until, fenced, report) VALUES(?, ?, 0, x'')",
        (_encode(identity), now.boot_ms + lease_ms),
    )
    return db.last_insert_rowid()


def renew(db: Database, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
    """See `oakum.store.base.Store.renew`."""
    db.execute(
        "UPDATE holder SET lease_until = ?, report = ? WHERE number = ? AND fenced = 0",
        (now.boot_ms + lease_ms, report, holder),
    )
    return db.changes() == 1


def holders(db: Database) -> list[Holder]:
    """See `oakum.store.base.Store.holders`."""
    rows = fetch_all(db, "SELECT number, identity, lease_until, fenced, report FROM holder ORDER BY number")
    return [
        Holder(number, _decode(identity), lease, bool(fenced), report)
        for number, identity, lease, fenced, report in rows
    ]


def fence(db: Database, holder: int, seen_lease_ms: int) -> bool:
    """See `oakum.store.base.Store.fence`."""
    db.execute(
        "UPDATE holder SET fenced = 1 WHERE number = ? AND (fenced = 1 OR lease_until = ?)", (holder, seen_lease_ms)
    )
    fenced = db.changes() == 1
    if fenced:
        db.execute("DELETE FROM offer WHERE holder = ? AND seq IS NULL", (holder,))
    return fenced


def discharge(db: Database, holder: int) -> bool:
    """See `oakum.store.base.Store.discharge`."""
    if fetch_one(db, "SELECT 1 FROM job WHERE state = 1 AND holder = ?", (holder,)):
        return False
    db.execute("DELETE FROM holder WHERE number = ?", (holder,))
    db.execute("DELETE FROM offer WHERE holder = ?", (holder,))
    return True
