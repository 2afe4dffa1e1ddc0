"""One writer at a time over all processes, and none of them starved: two lock files make a turnstile.

SQLite's own waiting sleeps and tries again, so that a producer beside a saturated worker would hardly ever get in.
Here whoever waits for `hold` keeps all others, a busy worker that comes back among them, behind `turn`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from types import TracebackType
from typing import Final

from oakum.errors import StoreError
from oakum.store.sqlite.directory import Directory

PATIENCE_S: Final = 30.0
_LOOK_MS: Final = 50  # after a process that ended inside, and so could not say that it has left


class Turnstile:
    """The writers' way in. A context manager: inside it, this process alone writes.

    Raises StoreError when whoever is inside does not leave within `patience_s` seconds.
    """

    def __init__(self, directory: Directory, patience_s: float = PATIENCE_S) -> None:
        self._where, self._patience_s = directory.path, patience_s
        self._turn, self._hold = directory.open("turn"), directory.open("hold")
        self._left = directory.open_fifo("left")

    def __enter__(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            self._wait()
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fcntl.flock(self._hold, fcntl.LOCK_UN)
        try:
            os.write(self._left, b"\0")
        except BlockingIOError:
            return  # it is full: whoever waits will wake in any case

    def close(self) -> None:
        """Lets go of the files."""
        for fd in (self._turn, self._hold, self._left):
            os.close(fd)

    def _wait(self) -> None:
        # flock has no time-out, and a process that was stopped inside would stop all others for good. So the one at the
        # head of the line waits for word that somebody has left, and looks now and then.
        deadline = None
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
            poll = select.poll()
            poll.register(self._left, select.POLLIN)
            if poll.poll(_LOOK_MS):
                with contextlib.suppress(BlockingIOError):
                    os.read(self._left, 65536)
