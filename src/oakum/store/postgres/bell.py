"""How a process hears that the database has changed: one connection that LISTENs, and a bell for each who waits.

Behind a pooler nobody can listen, so there is no connection, and everybody polls. A broken connection is made anew when
somebody looks; until then the bells ring for nothing, so that nothing is missed.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import Any, Final

import psycopg

from oakum.errors import StoreError
from oakum.store.base import Topic
from oakum.store.postgres.connection import Connection, connect

EVERY_S: Final[dict[Topic, float]] = {"work": 0.05, "results": 0.005, "room": 0.05}  # of one process: see ring.py
_AGAIN_S: Final = 1.0  # between two attempts to reach a server that does not answer


def channel(schema: str, topic: Topic) -> str:
    """The name under which a topic is notified."""
    return f"{schema}.{topic}"


class BellTower:
    """The listening connection of one store, and the bells of this process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._raw: psycopg.Connection[Any] | None = None
        self._fd = -1  # its own word: a broken connection does not answer
        self._next = 0.0
        self._topics: set[Topic] = set()  # that somebody has waited for: of any other, nobody is to be woken
        self._bells: list[Listener] = []

    def listen(self, topic: Topic) -> Listener:
        """A new bell of a topic."""
        with self._lock:
            new = topic not in self._topics
            self._topics.add(topic)
            if self._raw is None:
                self._open()
            elif new:
                with contextlib.suppress(psycopg.Error):  # of a broken line, `_read` makes the best
                    self._hear(self._raw, topic)
                self._read(self._raw)
            bell = Listener(self, topic)
            if self._raw is not None:
                bell.watch(self._fd)
            self._bells.append(bell)
            return bell

    def pump(self) -> None:
        """Reads what has come in, and rings the bells that it concerns."""
        if not self._lock.acquire(blocking=False):
            return  # another thread does
        try:
            if self._raw is None:
                self._open()
            if self._raw is not None:
                self._read(self._raw)
        finally:
            self._lock.release()

    def forget(self, bell: Listener) -> None:
        """Takes a bell down."""
        with self._lock, contextlib.suppress(ValueError):
            self._bells.remove(bell)

    def close(self, *, child: bool = False) -> None:
        """Ends the connection; a child leaves its parent's alone. Bells that are still there get a new one when they look."""
        with self._lock:
            if self._raw is not None:
                for bell in self._bells:
                    bell.unwatch(self._fd)
                if not child:
                    self._raw.close()
                self._raw = None

    def _open(self) -> None:
        """Connects, unless that failed a moment ago; then all bells ring, for what was missed."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _AGAIN_S
        address = self._connection.address
        with contextlib.suppress(psycopg.Error, StoreError):
            if self._connection.pooled:
                return
            raw = connect(address)
            for topic in self._topics:
                self._hear(raw, topic)
            self._raw, self._fd = raw, raw.fileno()
            self._next = 0.0
            for bell in self._bells:
                bell.watch(self._fd)
                bell.ring()

    def _hear(self, raw: psycopg.Connection[Any], topic: Topic) -> None:
        name = psycopg.sql.Identifier(channel(self._connection.address.schema, topic))
        raw.execute(psycopg.sql.SQL("LISTEN {}").format(name))

    def _read(self, raw: psycopg.Connection[Any]) -> None:
        try:
            rung = {(note.channel, note.pid) for note in raw.notifies(timeout=0)}
        except psycopg.Error:
            self.close()
            for bell in self._bells:
                bell.ring()
            return
        own = self._connection.backend
        for bell in self._bells:
            name = channel(self._connection.address.schema, bell.topic)
            # A worker knows of its own changes.
            if any(heard == name and not (pid == own and bell.topic == "work") for heard, pid in rung):
                bell.ring()


class Listener:
    """One bell. See `oakum.store.base.Bell`. Its descriptor stays the same when the connection is made anew."""

    def __init__(self, tower: BellTower, topic: Topic) -> None:
        self.topic, self.echo_s = topic, EVERY_S[topic]
        self._tower = tower
        self._epoll = select.epoll()
        self._rung = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._rung, select.EPOLLIN)
        self._open = True
        self._once_more: float | None = time.monotonic() + self.echo_s

    def fileno(self) -> int:
        return self._epoll.fileno() if self._open else -1

    def wait(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while True:
            self._tower.pump()
            now = time.monotonic()
            if self._swallow():
                self._once_more = now + self.echo_s
                return True
            if timeout > 0 and self._once_more is not None and now >= self._once_more:
                self._once_more = None
                return True
            if now >= end or not self._open:
                return False
            self._epoll.poll((end if self._once_more is None else min(end, self._once_more)) - now)

    def drain(self) -> None:
        self._tower.pump()
        self._swallow()
        self._once_more = time.monotonic() + self.echo_s

    def ring(self) -> None:
        """Wakes whoever waits."""
        if self._open:
            os.eventfd_write(self._rung, 1)

    def watch(self, fd: int) -> None:
        """Lets what comes in at a descriptor be looked at by whoever waits."""
        if self._open:
            self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Forgets a descriptor that is about to be closed."""
        if self._open:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._tower.forget(self)
            self._epoll.close()
            os.close(self._rung)

    def _swallow(self) -> bool:
        with contextlib.suppress(BlockingIOError, OSError):
            return os.eventfd_read(self._rung) > 0
        return False
