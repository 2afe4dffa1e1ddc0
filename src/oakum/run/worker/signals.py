"""The signals that a worker is told by: noted as they come, obeyed when its loop comes round."""

from __future__ import annotations

import contextlib
import signal
import socket
from types import FrameType
from typing import Final

_STOP: Final = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """What a worker was told. TERM, INT: stop. HUP: load the application anew. USR1: claim nothing more. USR2: claim again.

    They wake the loop through a descriptor, since a poll alone would be restarted (PEP 475).
    """

    def __init__(self) -> None:
        self._told: list[int] = []
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (*_STOP, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._note)

    @property
    def stops(self) -> int:
        """How often it was told to stop: a second time means at once."""
        return sum(number in _STOP for number in self._told)

    def take(self) -> list[int]:
        """What else it was told since somebody asked, in order."""
        others = [number for number in self._told if number not in _STOP]
        for number in others:
            self._told.remove(number)  # one by one: a signal may come in at any moment
        return others

    def fileno(self) -> int:
        """Readable after a signal."""
        return self._read.fileno()

    def drain(self) -> None:
        """To be called when it is readable."""
        with contextlib.suppress(BlockingIOError):
            self._read.recv(4096)

    def close(self) -> None:
        """Wakes nobody any more."""
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._told.append(number)
