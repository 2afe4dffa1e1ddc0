"""One writer at a time over all processes, and none of them starved: two lock files make a turnstile.

SQLite's own waiting sleeps and tries again, so that a producer beside a saturated worker would hardly ever get in.
Here whoever waits for `hold` keeps all others, a busy worker that comes back among them, behind `turn`.
"""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import Final

from oakum.errors import StoreError
from oakum.store.sqlite.directory import Directory

PATIENCE_S: Final = 30.0
_SHORTEST_NAP_S: Final = 20e-6
_LONGEST_NAP_S: Final = 1e-3


class Turnstile:
    """The writers' way in. A context manager: inside it, this process alone writes.

    Raises StoreError when whoever is inside does not leave within `patience_s` seconds.
    """

    def __init__(self, directory: Directory, patience_s: float = PATIENCE_S) -> None:
        self._where, self._patience_s = directory.path, patience_s
        self._turn, self._hold = directory.open("turn"), directory.open("hold")

    def __enter__(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            self._wait()
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fcntl.flock(self._hold, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of the lock files."""
        os.close(self._turn)
        os.close(self._hold)

    def _wait(self) -> None:
        # flock has no time-out, and a process that was stopped in a write would stop all others for good. Only the one
        # at the head of the line naps here, so the naps cost nobody his turn.
        nap, deadline = _SHORTEST_NAP_S, None
        while True:
            try:
                return fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                deadline = deadline or time.monotonic() + self._patience_s
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{self._where}: a process has been writing for {self._patience_s:g} s; find it with"
                    f" `fuser {self._where}/hold`: it may be stopped"
                )
            time.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP_S)
