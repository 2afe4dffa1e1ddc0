"""From a URL to a connection; only the driver that is asked for is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from oakum.errors import CannotRun, UsageError
from oakum.purge.sql.database import Database


def connect(url: str) -> Database:
    """Connects to `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://...`, `mysql://...` or `mariadb://...`.

    A driver's name (`postgresql+psycopg://`) is passed over. Raises UsageError for any other URL and CannotRun where the
    database can't be reached; neither shows a password.
    """
    try:
        parts = urlsplit(url)
        name = f"{parts.hostname or 'localhost'}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:
        raise UsageError("the database URL cannot be read; check its port and brackets") from None
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite" and parts.path.startswith("/") and not parts.netloc:
        from oakum.purge.sql.sqlite import Sqlite

        return Sqlite(parts.path[1:])
    if scheme in {"postgresql", "postgres"}:
        from oakum.purge.sql.postgres import Postgres

        return Postgres(parts._replace(scheme="postgresql").geturl(), name)
    if scheme in {"mysql", "mariadb"}:
        from oakum.purge.sql.mysql import Mysql

        return Mysql(url, name)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    raise UsageError(
        f"{shown!r} is not a database URL; write sqlite:///file.db, postgresql://host/db or mysql://host/db"
    )


@contextmanager
def plainly(database: Database, table: str) -> Iterator[None]:
    """Raises CannotRun, in a line, in place of what the driver raises: a row that is referred to, a server that has gone."""
    try:
        yield
    except database.errors as error:
        reason = str(error.args[-1]).strip().partition("\n")[0]
        raise CannotRun(f"{table} of {database.name}: {reason}; what is deleted stays deleted") from error
