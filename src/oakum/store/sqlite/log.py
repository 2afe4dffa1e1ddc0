"""The write-ahead log beside the file: brought to the disk after a commit that others may already see."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import apsw

_flush = getattr(os, "fdatasync", os.fsync)

LOG_LIMIT: Final = 64 * 1024 * 1024  # bytes to which a longer log is cut by whoever begins it anew


class Log:
    """A descriptor of the log's own. SQLite keeps its locks on other files: closing this one drops none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._doubtful = False
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)  # the log may be new, and SQLite sees to its entry only when it flushes it itself
        finally:
            os.close(directory)

    def flush(self, copy: Callable[[], tuple[int, int]]) -> None:
        """Returns when all that was committed is on the disk. Raises OSError or apsw.Error as long as it can't be.

        `copy` copies the log into the file and says how many pages it has, and how many of them are copied.

        A system that could not write a page says so once, and then takes it for written (https://lwn.net/Articles/752063):
        after a failure only what has been copied into the file itself is believed to be there.
        """
        if not self._doubtful:
            try:
                _flush(self._fd)
            except OSError:
                self._doubtful = True
        if self._doubtful:
            pages, copied = copy()
            if copied < pages:
                raise apsw.IOError(f"only {copied} of the log's {pages} pages could be copied into the file")
            self._doubtful = False

    def is_long(self) -> bool:
        """Whether it takes more than `LOG_LIMIT`; not so where it is gone with the last connection."""
        try:
            return os.stat(self._path).st_size > LOG_LIMIT
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._fd)
