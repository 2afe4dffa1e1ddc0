"""What a process must let go of before it forks: files, connections, and locks that a thread may hold.

The state of a fork is the process's own, and so is the list kept here: Python calls its hooks for the whole process.
"""

from __future__ import annotations

import os
import threading
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that rests while its process forks."""

    def before_fork(self) -> None:
        """Closes what must not be in two processes, and holds everybody else off."""

    def after_fork(self, *, child: bool) -> None:
        """Goes on, in the parent and in the child."""


_ALIVE: Final[WeakSet[Forkable]] = WeakSet()
_RESTING: Final[list[list[Forkable]]] = []
_ONE_FORK: Final = threading.RLock()  # of several threads that fork, one at a time


def register(thing: Forkable) -> None:
    """Lets `thing` know of each fork for as long as it lives."""
    _ALIVE.add(thing)


def _before() -> None:
    _ONE_FORK.acquire()
    _RESTING.append(list(_ALIVE))
    for each in _RESTING[-1]:
        each.before_fork()


def _after(*, child: bool) -> None:
    if _RESTING:  # not so after a fork by C code, which may tell only the child
        for each in _RESTING.pop():
            each.after_fork(child=child)
        _ONE_FORK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=lambda: _after(child=False), after_in_child=lambda: _after(child=True)
    )
