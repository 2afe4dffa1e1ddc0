"""The rules of queues and tasks: what the code declares, what an operator says instead, and which of it is in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from oakum.model.bounds import NO_RULES, Ruled, RuleKind, Rules
from oakum.store.postgres.db import Db

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Rules).decode
_WRITE: Final = """
INSERT INTO oakum.rule(kind, name, declared, override, bounded, limited) VALUES($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, name) DO UPDATE SET declared = excluded.declared, override = excluded.override,
    bounded = excluded.bounded, limited = excluded.limited
"""


def read(db: Db, kind: RuleKind, names: Iterable[str] | None = None, *, lock: str = "") -> dict[str, Ruled]:
    """What is known of the rules of a kind, by name; with `lock`, those rows stay as they are until the transaction ends."""
    text = "SELECT name, declared, override FROM oakum.rule WHERE kind = $1"
    values: tuple[Any, ...] = (kind,)
    if names is not None:
        text, values = f"{text} AND name = ANY($2::text[])", (kind, sorted(set(names)))
    return {name: decode(*row) for name, *row in db.all(f"{text} ORDER BY name {lock}", values)}


def declare(db: Db, kind: RuleKind, rules: Mapping[str, Rules]) -> bool:
    """See `oakum.store.base.Store.declare`; in a transaction. Whether anything has changed."""
    known = read(db, kind, rules)
    new = {name: each for name, each in rules.items() if known.get(name, Ruled()).declared != each}
    for name in sorted(new):
        _write(db, kind, name, Ruled(new[name], known.get(name, Ruled()).override))
    return bool(new)


def override(db: Db, kind: RuleKind, name: str, rules: Rules | None) -> None:
    """See `oakum.store.base.Store.override`; in a transaction."""
    known = read(db, kind, [name], lock="FOR UPDATE")
    _write(db, kind, name, Ruled(known.get(name, Ruled()).declared, rules))


def _write(db: Db, kind: RuleKind, name: str, ruled: Ruled) -> None:
    said = None if ruled.override is None else _encode(ruled.override)
    rules = ruled.rules
    bounded = rules.max_jobs is not None or rules.max_bytes is not None
    limited = rules.limit is not None or rules.rate is not None or rules.key_rate is not None
    db.run(_WRITE, (kind, name, _encode(ruled.declared), said, bounded, limited))


def decode(declared: bytes | None, said: bytes | None) -> Ruled:
    """The rules in a row's two columns."""
    return Ruled(
        NO_RULES if declared is None else _decode(declared),
        None if said is None else _decode(said),
    )
