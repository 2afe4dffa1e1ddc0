"""New job ids: the time in milliseconds, then chance, so that they sort by time and no two sources ever meet."""

from __future__ import annotations

import os
import threading

from oakum.model.ids import ID_BYTES


class IdSource(threading.local):
    """Makes ids that rise: 48 bits of wall time in milliseconds, then 80 random bits that count up within one.

    The random bits are drawn anew each millisecond, in each process and in each thread: there is nothing to lock.
    """

    def __init__(self) -> None:
        self._ms, self._last, self._pid = -1, 0, 0

    def new(self, wall_ms: int) -> bytes:
        """One id."""
        if wall_ms != self._ms or self._pid != os.getpid():
            self._ms, self._pid = wall_ms, os.getpid()
            # The top bit stays clear, so that counting up never carries into the time.
            self._last = (wall_ms << 80) | (int.from_bytes(os.urandom(10), "big") >> 1)
        self._last = last = self._last + 1
        return last.to_bytes(ID_BYTES, "big")
