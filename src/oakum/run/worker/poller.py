"""Who is to be called when a descriptor has something to say."""

from __future__ import annotations

import select
from collections.abc import Callable


class Poller:
    """An epoll and its handlers."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Calls `handler` whenever `fd` has something to read, or its other end is gone."""
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Forgets a descriptor that is about to be closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def poll(self, patience: float) -> None:
        """Waits for news, at most `patience` seconds, and calls whom it concerns."""
        for fd, _ in self._epoll.poll(patience):
            handler = self._handlers.get(fd)  # an earlier handler of this round may have closed it
            if handler is not None:
                handler()

    def close(self) -> None:
        """Lets go of the epoll."""
        self._epoll.close()
