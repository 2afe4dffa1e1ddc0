"""The seam to a database: what a purge asks of a connection, and what it learns of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from oakum.errors import UsageError
from oakum.purge.lock import LockTime

Sql = tuple[str, tuple[Any, ...]]  # a text and the values of its marks
Kind = Literal["integer", "real", "decimal", "text", "boolean", "datetime", "date", "uuid", "untyped", "other"]

_QUOTED: Final = re.compile(r'(?:(.+)\.)?"((?:[^"]|"")+)"', re.DOTALL)
LOCK_WAIT_SECONDS: Final = 5  # how long a batch waits for somebody else's lock before it is undone and tried again


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the database describes it: its columns, the key to walk along, the columns that begin an index."""

    schema: str | None
    name: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...]
    indexed: frozenset[str]

    def kind(self, column: str) -> Kind:
        """The kind of `column`. Raises UsageError, naming the columns that there are, where it is missing."""
        try:
            return self.columns[column]
        except KeyError:
            names = ", ".join(list(self.columns)[:20])
            raise UsageError(f"table {self.name} has no column {column!r}; it has {names}") from None


class Database(Protocol):
    """A connection of our own in autocommit mode: each statement is one transaction."""

    @property
    def name(self) -> str:
        """What people call the database. Never holds a password."""

    @property
    def errors(self) -> type[Exception]:
        """What the driver raises."""

    @property
    def one_writer(self) -> bool:
        """Whether a statement that writes keeps every other writer out."""

    @property
    def mark(self) -> str:
        """The placeholder of a bound value."""

    def quote(self, name: str) -> str:
        """`name` as an identifier of this database."""

    def compare(self, column: str, operator: str, value: Any) -> str:
        """SQL that compares a quoted column with `value`, for which it leaves one mark."""

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Runs a statement that writes: how many rows it changed."""

    def delete(self, parts: Sequence[Sql], lock: LockTime) -> int:
        """Runs DELETEs in one transaction and tells `lock` of its locks: how many rows went."""

    def describe(self, table: str) -> Table:
        """The table. Raises UsageError where there is none or where it has no key to walk along."""

    def close(self) -> None: ...


def split_name(table: str) -> tuple[str | None, str]:
    """`schema.table` or `table` in two parts; a table with a dot in its name is written `"odd.name"`, as in SQL."""
    if quoted := _QUOTED.fullmatch(table):
        return quoted[1], quoted[2].replace('""', '"')
    schema, dot, name = table.rpartition(".")
    if not name or "\0" in table or (dot and not schema):
        raise UsageError(f"{table!r} is not a table's name; write it like events or public.events")
    return schema or None, name


def no_table(table: str, database: str) -> UsageError:
    return UsageError(f"{database} has no table {table!r}; check the name, its case and its schema")


def no_key(table: str) -> UsageError:
    return UsageError(f"table {table} has no primary key to walk along; add one, or delete from it by hand")
