"""New job ids: the time in milliseconds, then chance, so that they sort by time and no two sources ever meet."""

from __future__ import annotations

import itertools
import os
import threading
from typing import Final
from weakref import WeakSet

from oakum.model.ids import ID_BYTES


class IdSource(threading.local):
    """Makes ids that rise: 48 bits of wall time in milliseconds, then 80 random bits that count up within one.

    The random bits are drawn anew each millisecond, in each process and in each thread: there is nothing to lock.
    """

    def __init__(self) -> None:
        self._ms = -1
        _SOURCES.add(self)

    def new(self, wall_ms: int) -> bytes:
        """One id."""
        if wall_ms != self._ms:
            # The top bit stays clear, so that counting up never carries into the time.
            first = (wall_ms << 80) | (int.from_bytes(os.urandom(10), "big") >> 1)
            self._ms, self._next = wall_ms, itertools.count(first).__next__
        return self._next().to_bytes(ID_BYTES, "big")

    def forget(self) -> None:
        """The next id is drawn anew."""
        self._ms = -1


_SOURCES: Final[WeakSet[IdSource]] = WeakSet()


def _forget_all() -> None:
    """In a forked child, whose parent goes on counting. Asking for the pid at each id would cost as much as the id."""
    for source in _SOURCES:
        source.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
