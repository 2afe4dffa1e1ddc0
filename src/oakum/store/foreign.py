"""A caller's own connection, out of whatever he has it in: a driver's, SQLAlchemy's or Django's."""

from __future__ import annotations

from typing import Any

from oakum.errors import UsageError


def driver_connection(connection: Any) -> Any:
    """The driver's connection inside a SQLAlchemy session or connection, or a Django one; any other as it is.

    It is the one that the caller's transaction is on: a session that has begun none begins it here.
    """
    if _is(connection, "sqlalchemy.orm", "Session", "scoped_session"):
        connection = connection.connection()
    if _is(connection, "sqlalchemy.engine", "Connection"):
        if not connection.in_transaction():
            connection.begin()
        return connection.connection.driver_connection
    if _is(connection, "django.db.backends", "BaseDatabaseWrapper") or type(connection).__name__ == "ConnectionProxy":
        connection.ensure_connection()
        if not connection.in_atomic_block:
            raise UsageError("using(connection=...): Django is in autocommit mode; put transaction.atomic() around")
        return connection.connection
    return connection


def _is(thing: object, module: str, *names: str) -> bool:
    """Whether it is one of a library's classes, without importing that library."""
    return any(each.__module__.startswith(module) and each.__name__ in names for each in type(thing).__mro__)
