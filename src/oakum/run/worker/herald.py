"""The one boundary that emits events: to the listeners' process, if the application has any, within a bound."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from typing import Final

from oakum.events import Event, EventsDropped, encode_event
from oakum.run.link.channel import Channel

MOST_WAITING: Final = 10_000
LAST_WORD_S: Final = 5.0  # for listeners to hear what was sent to them before the line was closed


class Herald:
    """Keeps order, never blocks, and says how many it had to drop."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self.pid = 0
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._leaving: dict[int, float] = {}  # processes that were connected before, and until when they may still hear

    @property
    def listens(self) -> bool:
        """Whether anybody does: where not, an event need not even be made."""
        return self._channel is not None

    def connect(self, channel: Channel | None, pid: int) -> None:
        """The way to the listeners, and their process, from now on; the one before ends when it has read what was sent."""
        if self._channel is not None:
            self._channel.close()
            self._leaving[self.pid] = time.monotonic() + LAST_WORD_S
        self._channel, self.pid = channel, pid

    def pids(self) -> set[int]:
        """The listeners' process, and those before it that may still hear what was sent to them."""
        now = time.monotonic()
        self._leaving = {pid: until for pid, until in self._leaving.items() if now < until}
        return {self.pid, *self._leaving}

    def dismiss(self) -> None:
        """Closes the line, and waits until all that was sent is heard, but not for ever."""
        self.connect(None, 0)
        for pid in self.pids() - {0}:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                poll.poll(LAST_WORD_S * 1000)
                os.close(pidfd)

    def emit(self, event: Event) -> None:
        """Sends an event, or keeps it until there is room."""
        if self._channel is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(encode_event(event))
        self.flush()

    def flush(self) -> None:
        """Sends what waits, as far as it goes."""
        if self._channel is None:
            return
        try:
            while self._waiting and self._channel.send(self._waiting[0], wait=False):
                self._waiting.popleft()
            if self._dropped and not self._waiting:
                count, self._dropped = self._dropped, 0
                self._waiting.append(encode_event(EventsDropped(count)))
        except OSError:  # the listeners' process has ended
            self.connect(None, 0)
