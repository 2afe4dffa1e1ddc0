"""The rules of queues and tasks: what the code declares, what an operator says instead, and which of it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from oakum.model.bounds import NO_RULES, Ruled, RuleKind, Rules
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Rules).decode
_IN_FORCE: Final = "SELECT coalesce(override, declared), arrival FROM rule WHERE kind = ? AND name = ?"
_WRITE: Final = """
INSERT INTO rule(kind, name, declared, override, limited) VALUES(?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET declared = excluded.declared, override = excluded.override, limited = excluded.limited
"""


def read(db: Database, kind: RuleKind) -> dict[str, Ruled]:
    """What is known of the rules of a kind, by name."""
    rows = fetch_all(db, "SELECT name, declared, override FROM rule WHERE kind = ?", (kind,))
    return {name: Ruled(_decode(declared), said and _decode(said)) for name, declared, said in rows}


def in_force(db: Database, kind: RuleKind, name: str) -> Rules:
    """The rules that hold for one name."""
    return with_arrival(db, kind, name)[0]


def with_arrival(db: Database, kind: RuleKind, name: str) -> tuple[Rules, float]:
    """The same, and the theoretical arrival time of its rate."""
    row = fetch_one(db, _IN_FORCE, (kind, name))
    return (NO_RULES, 0.0) if row is None else (_decode(row[0]), row[1])


def arrived(db: Database, kind: RuleKind, name: str, arrival: float) -> None:
    """Keeps the theoretical arrival time of a rate."""
    db.execute("UPDATE rule SET arrival = ? WHERE kind = ? AND name = ?", (arrival, kind, name))


def limited(db: Database) -> list[tuple[RuleKind, str]]:
    """What has a limit or a rate."""
    return fetch_all(db, "SELECT kind, name FROM rule WHERE limited")


def declare(db: Database, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
    """See `oakum.store.base.Store.declare`; the caller is in a write transaction."""
    known = read(db, kind)
    for name, each in rules.items():
        _write(db, kind, name, Ruled(each, known.get(name, Ruled()).override))


def override(db: Database, kind: RuleKind, name: str, rules: Rules | None) -> None:
    """See `oakum.store.base.Store.override`; the caller is in a write transaction."""
    _write(db, kind, name, Ruled(read(db, kind).get(name, Ruled()).declared, rules))


def _write(db: Database, kind: RuleKind, name: str, ruled: Ruled) -> None:
    rules = ruled.rules
    said = None if ruled.override is None else _encode(ruled.override)
    limited = rules.limit is not None or rules.rate is not None or rules.key_rate is not None
    db.execute(_WRITE, (kind, name, _encode(ruled.declared), said, limited))
