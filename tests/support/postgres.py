"""Stores of the tests' own on the PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import psycopg

from oakum.store.postgres.store import PostgresStore


@contextmanager
def new_schema(server: str) -> Iterator[str]:
    """The URL of a store in a schema of its own, dropped at the end."""
    schema = f"test_{uuid4().hex}"
    url = f"{server}?schema={schema}"
    with closing(PostgresStore(url)) as store:
        store.counts()
    yield url
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA "{schema}" CASCADE')


def make_empty(url: str) -> None:
    """Leaves the tables and takes what is in them, which is much faster than a schema for each test."""
    server, _, schema = url.partition("?schema=")
    with psycopg.connect(server, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
        used = [table for (table,) in tables if table not in ("schema", "name")]
        statements = [f'DELETE FROM "{schema}"."{table}"' for table in used]
        statements.append(f'ALTER TABLE "{schema}".holder ALTER number RESTART')
        connection.execute(";".join(statements))
