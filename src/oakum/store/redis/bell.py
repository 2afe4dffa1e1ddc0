"""How a process is told that the store has changed: by Redis's publish and subscribe, without content.

A listener's descriptor is an epoll instance around its connection, so that it stays the same when the connection breaks
and is made anew. Linux only; elsewhere nobody listens and everybody polls.
"""

from __future__ import annotations

import contextlib
import os
import select
import ssl
from typing import Final

from redis.exceptions import RedisError

from oakum.errors import StoreError
from oakum.store.redis.connection import Connection
from oakum.store.redis.lines import TIMEOUT_S, Line, socket_of

_SUPPORTED: Final = hasattr(select, "epoll")
_PIECE: Final = 4096


class BellTower:
    """The listeners of one process to one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listeners: list[Listener] = []

    def listen(self, topic: str) -> Listener:
        """A new listener of a topic."""
        listener = Listener(self, self._connection, topic)
        self._listeners.append(listener)
        return listener

    def mend(self) -> None:
        """Lets those whose connection broke listen again: the server has just answered."""
        for each in list(self._listeners):
            each.mend()

    def forget(self, listener: Listener) -> None:
        """Has nothing more to do with a listener."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def close(self) -> None:
        """Ends all bells."""
        for each in list(self._listeners):
            each.close()


class Listener:
    """One bell. See `oakum.store.base.Bell`."""

    echo_s = 0.0

    def __init__(self, tower: BellTower, connection: Connection, topic: str) -> None:
        self._tower, self._connection = tower, connection
        self._channel = connection.key + topic
        self._epoll = select.epoll() if _SUPPORTED else None
        self._line: Line | None = None
        self._pid = os.getpid()
        self.mend()
        self.drain()

    def mend(self) -> None:
        """Listens, if it does not. The server's word that it does rings, for what may have been missed meanwhile."""
        if self._epoll is None or self._line is not None or self._pid != os.getpid():
            return
        with contextlib.suppress(StoreError, RedisError, OSError):  # who polls beneath it comes here again
            line = self._connection.open_line()
            line.send_command("SUBSCRIBE", self._channel)
            bell = socket_of(line)
            bell.setblocking(False)
            self._epoll.register(bell, select.EPOLLIN)
            self._epoll.poll(TIMEOUT_S)  # from here on nothing is missed
            self._line = line

    def fileno(self) -> int:
        return self._epoll.fileno() if self._epoll is not None else -1

    def wait(self, timeout: float) -> bool:
        if self._epoll is None:
            select.select([], [], [], max(0.0, timeout))
            return False
        rung = bool(self._epoll.poll(max(0.0, timeout)))
        self.drain()
        return rung

    def drain(self) -> None:
        if self._line is None:
            return
        bell = socket_of(self._line)
        try:
            while (size := len(bell.recv(_PIECE))) == _PIECE:
                pass
            if size:
                return  # less than was asked for is all there was; to be told so would cost as much again
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            pass
        self._hang_up()  # the server has closed the connection

    def close(self) -> None:
        self._tower.forget(self)
        if self._epoll is not None:
            if self._line is not None:
                self._hang_up()
            self._epoll.close()
            self._epoll = None

    def _hang_up(self) -> None:
        assert self._line is not None and self._epoll is not None
        line, self._line = self._line, None
        if self._pid == os.getpid():  # one that a fork carried over is its parent's, and so is what it watches
            with contextlib.suppress(OSError, ValueError):
                self._epoll.unregister(socket_of(line))
        line.disconnect()
