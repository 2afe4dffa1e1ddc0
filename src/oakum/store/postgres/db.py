"""Statements on one connection: in the store's schema, with plain tuples and plain integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8BinaryDumper

from oakum.store.postgres.address import DEFAULT_SCHEMA

HASTE: Final = "set_config('synchronous_commit', 'off', true)"
"""Where this is asked for, the commit does not wait for the disk."""
HASTY: Final = f"hasty AS MATERIALIZED (SELECT {HASTE})"
"""The same, for a statement that reads from it. For notes that a crash of the server makes void."""
_WRITTEN: Final = f"{DEFAULT_SCHEMA}."  # how the statements in these rooms name the schema


class Db:
    """A connection of ours, or one of the caller's. Statements are written for the schema `oakum` and run in `schema`."""

    def __init__(self, raw: psycopg.Connection[Any], schema: str) -> None:
        self.raw = raw
        self._prefix = f'"{schema}".'
        self._cursor = psycopg.RawCursor(raw, row_factory=tuple_row)
        self._cursor.adapters.register_dumper(int, Int8BinaryDumper)  # one type, so that one plan serves all
        self._cursor.adapters.register_dumper(list, ListBinaryDumper)
        self._texts: dict[str, str] = {}

    def run(self, text: str, values: Sequence[Any] = ()) -> int:
        """Runs a statement; how many rows it changed or found."""
        own = self._texts.get(text)
        if own is None:
            own = self._texts[text] = self._own(text)
        self._cursor.execute(own, values, binary=True)
        return self._cursor.rowcount

    def all(self, text: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a statement. Their columns are Any: the SQL beside the call is their type."""
        self.run(text, values)
        return self._cursor.fetchall()

    def one(self, text: str, values: Sequence[Any] = ()) -> Any:
        """The first row of a statement, None when there is none."""
        self.run(text, values)
        return self._cursor.fetchone()

    def script(self, text: str) -> None:
        """Runs several statements that answer nothing."""
        self.raw.execute(sql.SQL(self._own(text)))

    def _own(self, text: str) -> str:
        return text.replace(_WRITTEN, self._prefix)
