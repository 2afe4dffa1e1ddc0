"""A disk of so many bytes, in any directory and without any privilege: what SQLite writes beyond them fails as on a full one.

Only for a process of its own: it becomes the process's way to all of SQLite's files.
"""

from __future__ import annotations

import errno
import os

import apsw


class SmallDisk(apsw.VFS):
    """All files below `directory` together have `size` bytes. A file called `filler` fills it, without taking real room."""

    def __init__(self, directory: str, size: int) -> None:
        super().__init__("small-disk", "unix", makedefault=True)
        self._directory, self._size = directory, size
        self.refused = 0
        allocate = os.posix_fallocate

        def posix_fallocate(fd: int, offset: int, length: int) -> None:
            if length > self.free():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            allocate(fd, offset, length)

        os.posix_fallocate = posix_fallocate

    def free(self) -> int:
        """Bytes that can still be written."""
        return max(0, self._size - used(self._directory))

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> _File:
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: SmallDisk, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        growth = offset + len(data) - self.xFileSize()
        if growth > 0 and growth > self._disk.free():
            self._disk.refused += 1
            raise apsw.exception_for(apsw.SQLITE_FULL)
        super().xWrite(data, offset)


def used(directory: str) -> int:
    """The bytes of all files below a directory, holes included."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                pass  # taken away meanwhile
    return total


def fill(directory: str, size: int) -> None:
    """Leaves nothing free of a disk of `size` bytes."""
    with open(os.path.join(directory, "filler"), "wb") as filler:
        filler.truncate(max(0, size - used(directory)))


def empty(directory: str) -> None:
    """Takes away what filled it."""
    os.unlink(os.path.join(directory, "filler"))
