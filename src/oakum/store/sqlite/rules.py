"""The rules of queues and tasks: what the code declares, what an operator says instead, and which of it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import apsw
import msgspec

from oakum.model.bounds import Ruled, RuleKind, Rules
from oakum.store.sqlite.connection import fetch_all, fetch_one

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Rules).decode
_WRITE: Final = """
INSERT INTO rule(kind, name, declared, override, bounded, limited) VALUES(?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET declared = excluded.declared, override = excluded.override, bounded = excluded.bounded,
    limited = excluded.limited
"""


def read(db: apsw.Connection, kind: RuleKind) -> dict[str, Ruled]:
    """What is known of the rules of a kind, by name."""
    rows = fetch_all(db, "SELECT name, declared, override FROM rule WHERE kind = ?", (kind,))
    return {name: Ruled(_decode(declared), said and _decode(said)) for name, declared, said in rows}


def in_force(db: apsw.Connection, kind: RuleKind, name: str) -> Rules:
    """The rules that hold for one name."""
    row = fetch_one(db, "SELECT coalesce(override, declared) FROM rule WHERE kind = ? AND name = ?", (kind, name))
    return Rules() if row is None else _decode(row[0])


def bounded(db: apsw.Connection) -> frozenset[str]:
    """The queues that have a bound."""
    return frozenset(name for (name,) in db.execute("SELECT name FROM rule WHERE kind = 'queue' AND bounded"))


def limited(db: apsw.Connection) -> list[tuple[RuleKind, str, Rules, float]]:
    """What has a limit or a rate: kind, name, rules, and the theoretical arrival time of the rate."""
    rows = fetch_all(db, "SELECT kind, name, coalesce(override, declared), arrival FROM rule WHERE limited")
    return [(kind, name, _decode(rules), arrival) for kind, name, rules, arrival in rows]


def declare(db: apsw.Connection, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
    """See `oakum.store.base.Store.declare`; the caller is in a write transaction."""
    known = read(db, kind)
    for name, each in rules.items():
        _write(db, kind, name, Ruled(each, known.get(name, Ruled()).override))


def override(db: apsw.Connection, kind: RuleKind, name: str, rules: Rules | None) -> None:
    """See `oakum.store.base.Store.override`; the caller is in a write transaction."""
    _write(db, kind, name, Ruled(read(db, kind).get(name, Ruled()).declared, rules))


def _write(db: apsw.Connection, kind: RuleKind, name: str, ruled: Ruled) -> None:
    rules = ruled.rules
    values = (
        _encode(ruled.declared),
        None if ruled.override is None else _encode(ruled.override),
        rules.max_jobs is not None or rules.max_bytes is not None,
        rules.limit is not None or rules.rate is not None or rules.key_rate is not None,
    )
    db.execute(_WRITE, (kind, name, *values))
