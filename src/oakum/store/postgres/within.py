"""Jobs that come in with a caller's own transaction, on his own connection: they are there if and only if he commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from oakum.errors import NotEnqueued, StoreFull, UsageError
from oakum.store.foreign import driver_connection
from oakum.store.postgres.connection import first_line
from oakum.store.postgres.db import Db

T = TypeVar("T")


def within(connection: object, schema: str, numbers: dict[str, int], work: Callable[[Db], T]) -> T:
    """`work` on the caller's connection, as a part of his transaction that he may survive the failure of.

    Raises UsageError for what is no connection of psycopg 3, for one without a transaction, and for another database
    than the one whose `numbers` of names these are; NotEnqueued where the server refuses.
    """
    raw: Any = driver_connection(connection)
    if not isinstance(raw, psycopg.Connection):
        kind = f"{type(raw).__module__}.{type(raw).__name__}"
        raise UsageError(f"using(connection=...): {kind} is not a connection of psycopg 3 (or one around it)")
    if raw.autocommit and raw.info.transaction_status is TransactionStatus.IDLE:
        raise UsageError(
            "using(connection=...): no transaction has begun on it; put `with connection.transaction():` around"
        )
    db = Db(raw, schema)
    try:
        db.run("SELECT 1")  # so that what follows is a part of a transaction, and not one of its own
        with raw.transaction():
            _check(db, numbers)
            return work(db)
    except (psycopg.Error, StoreFull) as error:
        raise NotEnqueued(f"on the caller's connection: {first_line(error)}") from error


def _check(db: Db, numbers: dict[str, int]) -> None:
    there = db.one("SELECT to_regclass('oakum.name') IS NOT NULL")[0]
    same = "SELECT count(*) FROM oakum.name JOIN unnest($1::bigint[], $2::text[]) AS known(number, text) USING (number, text)"
    if not there or db.one(same, (list(numbers.values()), list(numbers)))[0] != len(numbers):
        raise UsageError("using(connection=...): it is connected to another database than the store")
