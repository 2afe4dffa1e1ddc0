"""Tells what a driver's error means for a purge: try again, no room, not installed, or none of our business."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from oakum.errors import UsageError
from oakum.purge.target import Contended, DiskFull

# SQLSTATE: serialization_failure, deadlock_detected, lock_not_available | disk_full
_PG_CONTENDED: Final = {"40001", "40P01", "55P03"}
_PG_FULL: Final = {"53100"}
# MySQL, MariaDB: lock wait timeout, deadlock | no space left, table is full, error writing a file
_MYSQL_CONTENDED: Final = {1205, 1213}
_MYSQL_FULL: Final = {3, 1021, 1114}
# SQLite primary result codes: BUSY, LOCKED | FULL
_SQLITE_CONTENDED: Final = {5, 6}
_SQLITE_FULL: Final = {13}


@contextmanager
def told_apart() -> Iterator[None]:
    """Raises Contended or DiskFull in place of a driver's own error that means so; lets all others through."""
    try:
        yield
    except Exception as error:
        for cause in _causes(error):
            if _is(cause, _PG_CONTENDED, _MYSQL_CONTENDED, _SQLITE_CONTENDED):
                raise Contended(str(cause)) from error
            if _is(cause, _PG_FULL, _MYSQL_FULL, _SQLITE_FULL):
                raise DiskFull(str(cause)) from error
        raise


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those beneath it: Django chains the driver's by `__cause__`, SQLAlchemy keeps it in `orig`."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__


def _is(error: BaseException, pg: set[str], mysql: set[int], sqlite: set[int]) -> bool:
    if getattr(error, "sqlstate", None) in pg:
        return True
    code = getattr(error, "sqlite_errorcode", None)  # sqlite3; apsw calls it `result`
    if code is None:
        code = getattr(error, "result", None)
    if isinstance(code, int):
        return code & 0xFF in sqlite
    first = error.args[0] if error.args else None
    return type(error).__module__.split(".")[0] in {"pymysql", "MySQLdb"} and first in mysql


def no_driver(module: str, extra: str) -> UsageError:
    """What to raise where a driver is missing: names it and the extra that brings it."""
    return UsageError(f"{module} is not installed; run: pip install 'oakum[{extra}]'")
