"""Room on the disk that is kept for its last hour: a file that is given up so that what was begun can be finished."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from oakum.store.sqlite.directory import Directory
from oakum.units import MIB

SIZE: Final = 4 * MIB  # some ten commits of a busy worker: the log is reused after each checkpoint
_NAME: Final = "ballast"
_SUPPORTED: Final = hasattr(os, "posix_fallocate")


class Ballast:
    """The file `ballast` in a store's directory. As long as it is missing, new jobs are refused and all else may go on."""

    def __init__(self, directory: Directory) -> None:
        self._directory, self._path = directory, directory.file(_NAME)

    def keep(self) -> bool:
        """Makes it where it is missing; false when there is no room for it."""
        if not _SUPPORTED:
            return True
        if self._is_whole():
            return True
        fd = self._directory.open(_NAME)
        try:
            os.posix_fallocate(fd, 0, SIZE)
        except OSError as error:
            self.give_up()  # a part of it would only take room
            return error.errno not in (errno.ENOSPC, errno.EDQUOT)  # a file system that can't do this does without
        finally:
            os.close(fd)
        return True

    def _is_whole(self) -> bool:
        try:
            return os.stat(self._path).st_size == SIZE
        except FileNotFoundError:
            return False

    def give_up(self) -> None:
        """Frees its room, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
