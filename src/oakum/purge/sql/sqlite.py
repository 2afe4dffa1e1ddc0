"""SQLite through apsw, which brings its own library: the one inside many Pythons has a write-ahead-log race."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw

from oakum.errors import CannotRun, UsageError
from oakum.purge.checkpoint import Checkpoints
from oakum.purge.lock import LockTime
from oakum.purge.sql.database import LOCK_WAIT_SECONDS, Kind, Sql, Table, no_key, no_table, split_name

_ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})
_KINDS: Final[tuple[tuple[Kind, tuple[str, ...]], ...]] = (
    ("boolean", ("BOOL",)),
    ("integer", ("INT",)),
    ("text", ("CHAR", "CLOB", "TEXT", "DATE", "TIME")),
    ("real", ("REAL", "FLOA", "DOUB")),
    ("decimal", ("NUMERIC", "DECIMAL")),
)


class Sqlite:
    """A SQLite file that exists. Foreign keys are enforced, so that what the schema cascades is not left behind."""

    errors = apsw.Error
    one_writer = True
    mark = "?"

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
            self._connection.set_busy_timeout(LOCK_WAIT_SECONDS * 1000)
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._checkpoints = Checkpoints(lambda sql: self._connection.execute(sql).get)
        except apsw.Error as error:
            raise CannotRun(f"cannot open the SQLite database {path}: {error}") from error

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def compare(self, column: str, operator: str, value: Any) -> str:
        """SQLite orders every number before every text, every text before every blob: an order is asked within one type.

        By comparisons and not by `typeof`: a DELETE that calls a function copies each page before it changes it. With a
        plus, which keeps them from choosing the index.
        """
        if operator not in _ORDERINGS:
            return f"{column} {operator} ?"
        one_type = f"+{column} >= '' AND +{column} < x''" if isinstance(value, str) else f"+{column} < ''"
        return f"({column} {operator} ? AND {one_type})"

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(sql, tuple(values)))

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        self._connection.execute(sql, tuple(values))
        return self._connection.changes()

    def delete(self, parts: Sequence[Sql], lock: LockTime) -> int:
        self._connection.execute("BEGIN IMMEDIATE")  # waits for the lock, which the DELETE would count as held
        lock.taken()
        try:
            rows = sum(self.change(sql, values) for sql, values in parts)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        lock.given_back()
        self._checkpoints.after(lock.seconds)
        return rows

    def describe(self, table: str) -> Table:
        schema, name = split_name(table)
        found = self.query(
            "SELECT schema, type, wr FROM pragma_table_list WHERE name = ? AND schema = coalesce(?, schema)",
            (name, schema),
        )
        if not found:
            raise no_table(table, self.name)
        schema, type_, without_rowid = found[0]
        if type_ != "table":
            raise UsageError(f"{table} is a {type_}, not a table; purge the table beneath it")
        columns = self.query("SELECT name, type, pk FROM pragma_table_xinfo(?, ?)", (name, schema))
        names = {column.lower() for column, _, _ in columns}
        if without_rowid:
            key = tuple(column for column, _, pk in sorted(columns, key=lambda row: row[2]) if pk)
        else:
            key = tuple(alias for alias in ("rowid", "_rowid_", "oid") if alias not in names)[:1]
        if not key:
            raise no_key(table)
        return Table(
            schema, name, {column: _kind(type_) for column, type_, _ in columns}, key, self._indexed(name, schema)
        )

    def _indexed(self, name: str, schema: str) -> frozenset[str]:
        first = "SELECT i.name FROM pragma_index_list(?, ?) l, pragma_index_info(l.name, ?) i WHERE i.seqno = 0 AND NOT l.partial"
        return frozenset(row[0] for row in self.query(first, (name, schema, schema)))

    def close(self) -> None:
        self._checkpoints.close()
        self._connection.close()


def _kind(declared: str) -> Kind:
    """The kind that goes with a declared type: SQLite's own rules of affinity, in their order."""
    name = declared.upper()
    for kind, words in _KINDS:
        if any(word in name for word in words):
            return kind
    return "untyped"
