"""Lets one purge at a time into a batch of a table, so that the signals of one row are never sent by two of them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction

from oakum.purge.target import Contended

_WAIT_SECONDS: Final = 5
_PG_LOCK: Final = (
    "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(hashtext('oakum purge'), hashtext(%s))"
)
_LOOK_EVERY_SECONDS: Final = 0.01


@contextmanager
def alone(connection: Any, table: str) -> Iterator[None]:
    """Holds off other purges of `table`, and nobody else, while a batch reads and deletes.

    `connection` is Django's. Raises Contended, or what the database raises for it, where another purge's batch takes
    longer than five seconds.
    """
    if connection.vendor == "postgresql":  # ends with the transaction, so that PgBouncer may stand between
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(_PG_LOCK, [f"{_WAIT_SECONDS}s", table])
            yield
    elif connection.vendor == "mysql":
        name = f"oakum purge {table}"[:64]
        with connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", [name, _WAIT_SECONDS])
            if cursor.fetchone() != (1,):
                raise Contended(f"another purge of {table} is in a batch of its own")
            try:
                yield
            finally:
                cursor.execute("SELECT RELEASE_LOCK(%s)", [name])
    else:
        with _directory_locked(os.path.dirname(os.path.abspath(str(connection.settings_dict["NAME"]))), table):
            yield


@contextmanager
def _directory_locked(directory: str, table: str) -> Iterator[None]:
    """SQLite: locks the database's directory. Its own lock would keep every writer out while the batch still reads."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Contended(f"another purge of {table} is in a batch of its own") from None
                time.sleep(_LOOK_EVERY_SECONDS)
        yield
    finally:
        os.close(fd)
