"""A copy of the file as it is at one moment, made while it is used: whole on the disk under its name, or not there at all."""

from __future__ import annotations

import contextlib
import os
from typing import Final

import apsw

from oakum.errors import StoreError, UsageError
from oakum.store.care import Step, Tell
from oakum.store.sqlite.connection import fetch_all, fetch_one

_PAGES_AT_ONCE: Final = 2_000


def backup(db: apsw.Connection, path: str, to: str, tell: Tell) -> int:
    """Copies the store behind `db`, the file `path`, to the new file `to`, readable to its owner alone; its bytes.

    Raises UsageError for a file that is there or can't be made, StoreError where the copy is not sound.
    """
    partial = f"{to}.partial"
    if os.path.exists(to):
        raise UsageError(f"{to}: it is there already; name a new file")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        os.chmod(partial, 0o600)
    except OSError as error:
        raise UsageError(f"{partial}: {error.strerror}; name a file in a directory that you may write to") from error
    try:
        _copy(db, partial, tell)
        _check(partial, path)
        _sync(partial)
        os.rename(partial, to)
        _sync(os.path.dirname(os.path.abspath(to)))
    finally:
        for name in (partial, f"{partial}-journal", f"{partial}-wal", f"{partial}-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
    return os.stat(to).st_size


def _copy(db: apsw.Connection, to: str, tell: Tell) -> None:
    """Page by page, all of the moment at which it began: writers go on, and the log keeps what they write."""
    with contextlib.closing(apsw.Connection(to)) as copy:
        with db, copy.backup("main", db, "main") as steps:
            fetch_one(db, "SELECT 1 FROM job")  # from here on this connection sees one state of the file
            while not steps.done:
                steps.step(_PAGES_AT_ONCE)
                tell(Step("pages are copied", steps.page_count - steps.remaining, steps.page_count))
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it


def _check(copy: str, path: str) -> None:
    with contextlib.closing(apsw.Connection(copy, flags=apsw.SQLITE_OPEN_READONLY)) as db:
        worst = fetch_all(db, "PRAGMA quick_check(1)")
    if worst != [("ok",)]:
        raise StoreError(f"{path}: the copy is not sound ({worst[0][0]}); look at the store itself: oakum store check")


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
