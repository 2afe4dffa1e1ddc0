"""The page that a child shares with its supervisor: which job runs, since when, and which one is to be interrupted.

One writer to a field, eight aligned bytes each: a reader sees an old or a new value, never a mixture.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Final

SIZE: Final = mmap.PAGESIZE
TIMEOUT: Final = 1
CANCEL: Final = 2

_FIELD: Final = struct.Struct("=q")
_STARTED, _FINISHED, _SINCE, _RESTING, _INTERRUPT, _WHY = range(0, 48, 8)


class Page:
    """The page, mapped. Numbers of jobs count from 1; times are nanoseconds of CLOCK_MONOTONIC."""

    __slots__ = ("_map", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, SIZE)

    @classmethod
    def make(cls) -> Page:
        """A new page, zeroed."""
        fd = os.memfd_create("oakum-page", os.MFD_CLOEXEC)
        os.ftruncate(fd, SIZE)
        return cls(fd)

    # The child writes:

    def start(self, number: int, now_ns: int, resting: int) -> None:
        """Job `number` begins."""
        _FIELD.pack_into(self._map, _SINCE, now_ns)
        _FIELD.pack_into(self._map, _RESTING, resting)
        _FIELD.pack_into(self._map, _STARTED, number)

    def finish(self, number: int) -> None:
        """Job `number` has ended."""
        _FIELD.pack_into(self._map, _FINISHED, number)

    def wanted(self, number: int) -> int:
        """Why job `number` is to be interrupted: TIMEOUT, CANCEL, or 0."""
        if _FIELD.unpack_from(self._map, _INTERRUPT)[0] != number:
            return 0
        return int(_FIELD.unpack_from(self._map, _WHY)[0])

    # The supervisor writes and reads:

    def interrupt(self, number: int, why: int) -> None:
        """Asks for an end of job `number`."""
        _FIELD.pack_into(self._map, _WHY, why)
        _FIELD.pack_into(self._map, _INTERRUPT, number)

    def running(self) -> tuple[int, int] | None:
        """The number of the job that runs and when it began, None when none does."""
        started = _FIELD.unpack_from(self._map, _STARTED)[0]
        if started == _FIELD.unpack_from(self._map, _FINISHED)[0]:
            return None
        return started, _FIELD.unpack_from(self._map, _SINCE)[0]

    def started(self) -> int:
        """The number of the last job that began, 0 for none."""
        return int(_FIELD.unpack_from(self._map, _STARTED)[0])

    @property
    def resting(self) -> int:
        """The child's resident bytes before the job that began last."""
        return int(_FIELD.unpack_from(self._map, _RESTING)[0])

    def close(self) -> None:
        """Lets go of the page."""
        self._map.close()
        os.close(self.fd)
