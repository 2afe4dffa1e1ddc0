"""MySQL and MariaDB through PyMySQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from oakum.errors import CannotRun
from oakum.purge.lock import LockTime
from oakum.purge.sql.database import LOCK_WAIT_SECONDS, Kind, Sql, Table, no_key, no_table, split_name
from oakum.purge.trouble import no_driver

try:
    import pymysql
except ImportError as error:
    raise no_driver("pymysql", "mysql") from error

_COLUMNS: Final = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = coalesce(%s, database()) AND table_name = %s ORDER BY ordinal_position
"""
_INDEXES: Final = """
    SELECT index_name, column_name, seq_in_index FROM information_schema.statistics
    WHERE table_schema = coalesce(%s, database()) AND table_name = %s ORDER BY index_name, seq_in_index
"""
_KINDS: Final[dict[str, Kind]] = {
    "tinyint": "integer", "smallint": "integer", "mediumint": "integer", "int": "integer", "bigint": "integer",
    "float": "real", "double": "real", "decimal": "decimal",
    "char": "text", "varchar": "text", "tinytext": "text", "text": "text", "mediumtext": "text", "longtext": "text",
    "enum": "text", "datetime": "datetime", "timestamp": "datetime", "date": "date", "uuid": "uuid",
}  # fmt: skip


class Mysql:
    """A MySQL or MariaDB database, read committed: with it InnoDB locks the rows that go, not the gaps between them."""

    errors = pymysql.MySQLError
    one_writer = False
    mark = "%s"

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        parts = urlsplit(url)
        try:
            self._connection = pymysql.connect(
                host=parts.hostname or "localhost",
                port=parts.port or 3306,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                database=unquote(parts.path.lstrip("/")),
                unix_socket=dict(parse_qsl(parts.query)).get("unix_socket"),
                charset="utf8mb4",
                autocommit=True,
            )
            self.change("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            self.change("SET SESSION innodb_lock_wait_timeout = %s, time_zone = '+00:00'", (LOCK_WAIT_SECONDS,))
        except pymysql.MySQLError as error:
            raise CannotRun(f"cannot connect to {name}: {error.args[-1]}") from error

    def quote(self, name: str) -> str:
        return "`" + name.replace("`", "``").replace("%", "%%") + "`"

    def compare(self, column: str, operator: str, value: Any) -> str:  # noqa: ARG002  what SQLite needs to know
        return f"{column} {operator} %s"

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(values))
            return list(cursor.fetchall())

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        with self._connection.cursor() as cursor:
            return int(cursor.execute(sql, tuple(values)))

    def delete(self, parts: Sequence[Sql], lock: LockTime) -> int:
        self._connection.begin()
        lock.taken()
        try:
            rows = sum(self.change(sql, values) for sql, values in parts)
            self._connection.commit()
        except pymysql.MySQLError:
            with suppress(pymysql.MySQLError):  # what went wrong is what counts
                self._connection.rollback()
            raise
        lock.given_back()
        return rows

    def describe(self, table: str) -> Table:
        schema, name = split_name(table)
        columns = {column: _KINDS.get(type_, "other") for column, type_ in self.query(_COLUMNS, (schema, name))}
        if not columns:
            raise no_table(table, self.name)
        indexes = self.query(_INDEXES, (schema, name))
        key = tuple(column for index, column, _ in indexes if index == "PRIMARY")
        if not key:
            raise no_key(table)
        return Table(schema, name, columns, key, frozenset(column for _, column, place in indexes if place == 1))

    def close(self) -> None:
        self._connection.close()
