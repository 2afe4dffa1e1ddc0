"""PostgreSQL through psycopg 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from oakum.errors import CannotRun
from oakum.purge.lock import LockTime
from oakum.purge.sql.database import LOCK_WAIT_SECONDS, Kind, Sql, Table, no_key, no_table, split_name
from oakum.purge.trouble import no_driver

try:
    import psycopg
except ImportError as error:
    raise no_driver("psycopg", "postgres") from error

_TABLE: Final = """
    SELECT c.oid, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND (n.nspname = %s OR (%s::text IS NULL AND pg_table_is_visible(c.oid)))
"""
_COLUMNS: Final = """
    SELECT attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_INDEXES: Final = """
    SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.place)
    FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place), pg_attribute a
    WHERE i.indrelid = %s AND a.attrelid = i.indrelid AND a.attnum = k.number
      AND i.indpred IS NULL AND i.indisvalid AND k.place <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indisprimary
"""
_KINDS: Final[dict[str, Kind]] = {
    "int2": "integer", "int4": "integer", "int8": "integer", "float4": "real", "float8": "real", "numeric": "decimal",
    "text": "text", "varchar": "text", "bpchar": "text", "bool": "boolean", "uuid": "uuid",
    "timestamp": "datetime", "timestamptz": "datetime", "date": "date",
}  # fmt: skip


class Postgres:
    """A PostgreSQL database. No statement is prepared, so that PgBouncer may stand between."""

    errors = psycopg.Error
    one_writer = False
    mark = "%s"

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        try:
            self._connection = psycopg.connect(
                url, autocommit=True, prepare_threshold=None, application_name="oakum purge"
            )
            self._connection.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
            self._connection.execute("SET timezone = 'UTC'")
        except psycopg.Error as error:
            raise CannotRun(f"cannot connect to {name}: {str(error).strip().splitlines()[0]}") from error

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""').replace("%", "%%") + '"'

    def compare(self, column: str, operator: str, value: Any) -> str:  # noqa: ARG002  what SQLite needs to know
        return f"{column} {operator} %s"

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.encode(), values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql.encode(), values).rowcount

    def delete(self, parts: Sequence[Sql], lock: LockTime) -> int:
        with self._connection.transaction():
            lock.taken()
            rows = sum(self.change(sql, values) for sql, values in parts)
        lock.given_back()
        return rows

    def describe(self, table: str) -> Table:
        schema, name = split_name(table)
        found = self.query(_TABLE, (name, schema, schema))
        if not found:
            raise no_table(table, self.name)
        oid, schema = found[0]
        columns = {column: _KINDS.get(type_, "other") for column, type_ in self.query(_COLUMNS, (oid,))}
        indexes = self.query(_INDEXES, (oid,))
        key = next((tuple(names) for primary, names in indexes if primary), ())
        if not key:
            raise no_key(table)
        return Table(schema, name, columns, key, frozenset(names[0] for _, names in indexes))

    def close(self) -> None:
        self._connection.close()
