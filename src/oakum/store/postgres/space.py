"""How much the tables hold. Their files keep the room of rows that are gone, so those that are there are asked for."""

from __future__ import annotations

from typing import Final

from oakum.model.bounds import Ruled
from oakum.store.base import Space
from oakum.store.postgres import rules, tally
from oakum.store.postgres.db import Db
from oakum.store.room import JOB_BYTES
from oakum.units import MIB

_FILES: Final = """
SELECT sum(pg_total_relation_size(oid))::bigint, coalesce(sum(pg_table_size(oid)) FILTER (WHERE relname = 'job'), 0)::bigint
FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'
"""
_ROWS: Final = """
SELECT coalesce(sum(pg_column_size(job.*) + 28), 0)::bigint FROM oakum.job TABLESAMPLE SYSTEM ($1::float8::real)
"""
_JOBS: Final = (
    f"SELECT coalesce(sum(jobs), 0)::bigint FROM ({tally.SUM} WHERE state >= 0 GROUP BY queue, task, state) AS kept"
)
_LOOKED_AT: Final = 16 * MIB  # at the most, of the table


def space(db: Db, schema: str) -> Space:
    """See `oakum.store.base.Store.space`. The server does not tell how large its disk is."""
    return _measured(db, schema, _max_bytes(db))


def bound(db: Db, schema: str) -> Space:
    """The same for who asks only whether there is room: a store without a bound is not measured."""
    most = _max_bytes(db)
    return Space(0) if most is None else _measured(db, schema, most)


def _max_bytes(db: Db) -> int | None:
    return rules.read(db, "store", [""]).get("", Ruled()).rules.max_bytes


def _measured(db: Db, schema: str, bound: int | None) -> Space:
    files, table = db.one(_FILES, (schema,))
    if bound is not None and files < bound:
        return Space(files, bound)
    percent = min(100.0, 100.0 * _LOOKED_AT / max(1, table))
    sampled = int(db.one(_ROWS, (percent,))[0]) * 100 / percent
    living = max(sampled, db.one(_JOBS)[0] * JOB_BYTES)  # a sample may miss the few rows of a table that was large
    return Space(int(files * min(1.0, living / max(1, table))), bound)
