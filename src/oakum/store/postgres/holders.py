"""The workers that hold jobs: their leases, and the fence that ends one's rights for good."""

from __future__ import annotations

from typing import Final

import msgspec

from oakum.store.base import Holder, Identity, Instant
from oakum.store.postgres.db import Db

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Identity).decode


def enrol(db: Db, identity: Identity, lease_ms: int, now: Instant) -> int:
    """See `oakum.store.base.Store.enrol`."""
    row = (_encode(identity), now.boot_ms + lease_ms)
    return int(db.one("INSERT INTO oakum.holder(identity, lease_until) VALUES($1, $2) RETURNING number", row)[0])


def renew(db: Db, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
    """See `oakum.store.base.Store.renew`."""
    text = "UPDATE oakum.holder SET lease_until = $1, report = $2 WHERE number = $3 AND NOT fenced"
    return db.run(text, (now.boot_ms + lease_ms, report, holder)) == 1


def holders(db: Db) -> list[Holder]:
    """See `oakum.store.base.Store.holders`."""
    rows = db.all("SELECT number, identity, lease_until, fenced, report FROM oakum.holder ORDER BY number")
    return [
        Holder(number, _decode(identity), lease, fenced, report) for number, identity, lease, fenced, report in rows
    ]


def fence(db: Db, holder: int, seen_lease_ms: int) -> bool:
    """See `oakum.store.base.Store.fence`. It waits for a claim under way, whose jobs are then seen by `held`."""
    text = "UPDATE oakum.holder SET fenced = true WHERE number = $1 AND (fenced OR lease_until = $2)"
    return db.run(text, (holder, seen_lease_ms)) == 1


def discharge(db: Db, holder: int) -> bool:
    """See `oakum.store.base.Store.discharge`; in a transaction."""
    db.run("SELECT 1 FROM oakum.holder WHERE number = $1 FOR UPDATE", (holder,))
    if db.one("SELECT 1 FROM oakum.job WHERE state = 1 AND holder = $1 LIMIT 1", (holder,)):
        return False
    db.run("DELETE FROM oakum.holder WHERE number = $1", (holder,))
    return True


def is_valid(db: Db, holder: int) -> bool:
    """Whether it has its rights."""
    return bool(db.one("SELECT 1 FROM oakum.holder WHERE number = $1 AND NOT fenced", (holder,)))


def leads(db: Db, holder: int | None) -> bool:
    """Whether it has its rights, and keeps them until the end of this transaction. Nobody in particular has."""
    lock = "SELECT 1 FROM oakum.holder WHERE number = $1 AND NOT fenced FOR SHARE"
    return holder is None or bool(db.one(lock, (holder,)))
