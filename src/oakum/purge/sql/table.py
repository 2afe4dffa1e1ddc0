"""The rows of one table, deleted in ranges of its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oakum.purge.lock import LockTime
from oakum.purge.position import Key, common
from oakum.purge.sql.database import Database, Sql, Table
from oakum.purge.sql.where import Condition


class TableRows:
    """The rows of `table` that match all `conditions`.

    `by`, a column that begins an index and whose smallest values go, is put before the key: a table of which little is
    old is then not read as a whole.
    """

    loads = False

    def __init__(
        self, database: Database, table: Table, conditions: Sequence[Condition], by: str | None = None
    ) -> None:
        self._database = database
        self.shuts_out = database.one_writer
        self.label = f"{table.name} of {database.name}"
        self.key = (by, *table.key) if by in table.indexed and by not in table.key else table.key
        self._table = _qualified(database, table)
        self._where = _all([self._compare(condition) for condition in conditions])
        self._columns = [database.quote(name) for name in self.key]

    def count(self) -> int:
        text, values = self._where
        return int(self._database.query(f"SELECT count(*) FROM {self._table} WHERE {text}", values)[0][0])

    def has_others(self) -> bool:
        text, values = self._where
        newest_first = ", ".join(f"{column} DESC" for column in self._columns)
        sql = f"SELECT 1 FROM {self._table} WHERE ({text}) IS NOT TRUE ORDER BY {newest_first} LIMIT 1"
        return bool(self._database.query(sql, values))

    def upto(self, after: Key | None, until: Key | None, size: int) -> Key | None:
        text, values = self._within(after, until)
        keys, back = ", ".join(self._columns), ", ".join(f"{column} DESC" for column in self._columns)
        batch = f"SELECT {keys} FROM {self._table} WHERE {text} ORDER BY {keys} LIMIT {size:d}"
        last = self._database.query(f"SELECT {keys} FROM ({batch}) batch ORDER BY {back} LIMIT 1", values)
        return tuple(last[0]) if last else None

    def delete(self, after: Key | None, upto: Key, lock: LockTime) -> int:
        parts = [(f"DELETE FROM {self._table} WHERE {text}", values) for text, values in self._parts(after, upto)]
        return self._database.delete(parts, lock)

    def _parts(self, after: Key | None, upto: Key) -> list[Sql]:
        """The rows of (`after`, `upto`], in ranges that an index finds: those that share a value with `upto`, those before them.

        In one, the many others of that value would be read as well.
        """
        same = len(common(after, upto))
        if same == len(upto) - 1:
            return [self._within(after, upto)]
        less = f"{self._columns[same]} < {self._database.mark}", (upto[same],)
        return [
            _all([self._within(after, None), *self._equal(upto[:same]), less]),
            _all([self._where, *self._equal(upto[: same + 1]), self._beyond("<", upto, same + 1)]),
        ]

    def _within(self, after: Key | None, upto: Key | None) -> Sql:
        same = common(after, upto)
        parts = [self._where, *self._equal(same)]
        if after is not None:
            parts.append(self._beyond(">", after, len(same)))
        if upto is not None:
            parts.append(self._beyond("<", upto, len(same)))
        return _all(parts)

    def _equal(self, values: Key) -> list[Sql]:
        """Rows whose key begins with `values`."""
        mark = self._database.mark
        return [(f"{column} = {mark}", (value,)) for column, value in zip(self._columns, values, strict=False)]

    def _beyond(self, side: str, key: Key, same: int) -> Sql:
        """Rows on one `side` of `key`, itself included below it, among those that have its first `same` values.

        Written as `a >= x AND (a > x OR b > y)`: MySQL and SQLite use an index for that, and not for `(a, b) > (x, y)`.
        """
        mark, last = self._database.mark, ">" if side == ">" else "<="
        text, values = f"{self._columns[-1]} {last} {mark}", key[-1:]
        for column, value in reversed(list(zip(self._columns[same:-1], key[same:-1], strict=True))):
            text = f"{column} {side}= {mark} AND ({column} {side} {mark} OR ({text}))"
            values = (value, value, *values)
        return text, values

    def _compare(self, condition: Condition) -> Sql:
        column = self._database.quote(condition.column)
        if condition.operator.endswith("NULL"):
            return f"{column} {condition.operator}", ()
        return self._database.compare(column, condition.operator, condition.value), (condition.value,)


def newest_value(database: Database, table: Table, column: str) -> Any:
    """A value of `column` from the end of the key, where the newest rows are; None where it holds none."""
    table.kind(column)
    name, back = database.quote(column), ", ".join(f"{database.quote(part)} DESC" for part in table.key)
    sql = f"SELECT {name} FROM {_qualified(database, table)} WHERE {name} IS NOT NULL ORDER BY {back} LIMIT 1"
    found = database.query(sql)
    return found[0][0] if found else None


def _qualified(database: Database, table: Table) -> str:
    return ".".join(database.quote(name) for name in (table.schema, table.name) if name is not None)


def _all(parts: Sequence[Sql]) -> Sql:
    """All of `parts`; every row where there is none."""
    if not parts:
        return "1 = 1", ()
    return " AND ".join(f"({text})" for text, _ in parts), tuple(value for _, values in parts for value in values)
