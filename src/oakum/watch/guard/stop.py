"""Signals to everything below this process, however it tries to get away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Final

from oakum.host.tree import descendants

_STOP_ROUNDS: Final = 50  # a tree that still forks after so many rounds of SIGSTOP is killed as far as it is known


def terminate(pids: Iterable[int]) -> None:
    """Asks each of `pids` to end, those that stand still included."""
    for pid in pids:
        _send(pid, signal.SIGTERM)
        _send(pid, signal.SIGCONT)


def kill_descendants() -> None:
    """SIGKILL to all that descends from this process. They are stopped first: what stands still can't fork away."""
    stopped: set[int] = set()
    for _ in range(_STOP_ROUNDS):
        fresh = set(descendants(os.getpid())) - stopped
        if not fresh:
            break
        for pid in fresh:
            _send(pid, signal.SIGSTOP)
        stopped |= fresh
    for pid in descendants(os.getpid()):
        _send(pid, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it ended meanwhile; or it is another user's (setuid), which the report then counts as not ended
