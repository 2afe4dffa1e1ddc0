"""How a process tells the others that the file has changed: an empty datagram to each that listens.

A listener binds a socket in the store's own directory, with the database's owner and mode: who may ring may write the
database. A datagram that is not empty is a word for this listener alone. Linux only (paths longer than 107 bytes go
through /proc/self/fd); elsewhere nobody listens and everybody polls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import sys
import time
from typing import Final

from oakum.store.base import Topic
from oakum.store.sqlite.directory import Directory

_SUPPORTED: Final = sys.platform == "linux"
_GONE: Final = (errno.ECONNREFUSED, errno.ENOENT)
_LONGEST_WORD: Final = 64 * 1024  # of a longer one the end is missing, so that it is taken for a ring
_SETTLED_NS: Final = 50_000_000  # a directory's time moves in ticks: a younger one may be that of two changes


class BellTower:
    """The listening sockets of one store directory: rings them all, and remembers who they are until that changes."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._fd = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if _SUPPORTED else -1
        self._out = _socket() if _SUPPORTED else None
        self._line: tuple[str, socket.socket] | None = None
        self._seen_ns = -1
        self._names: dict[str, list[str]] = {}
        self._listeners: list[Listener] = []

    def ring(self, topic: Topic, but: str = "") -> None:
        """Rings every listener of a topic but one. A listener whose buffer is full has been rung already."""
        if self._out is None:
            return
        with contextlib.suppress(OSError):  # the change is made: whoever was not told of it will look by himself
            self._look()
            for name in self._names.get(topic, ()):
                if name != but:
                    self._send(name)

    def tell(self, name: str, word: bytes) -> bool:
        """Sends one listener a word; false where he is gone. One that does not get to him is lost, as a ring would be."""
        try:
            if self._line is None or self._line[0] != name:
                self._hang_up()
                line = _socket()
                self._line = name, line
                line.connect(self._address(name))
            self._line[1].send(word)
        except BlockingIOError:
            pass  # he has been rung already, and will look
        except OSError:
            self._hang_up()
            return False
        return True

    def listen(self, topic: Topic) -> Listener:
        """A new listener of a topic."""
        # A pid alone is no name: the processes of two containers may share a directory and their numbers.
        listener = Listener(self, f"{topic}.{os.getpid()}.{os.urandom(6).hex()}")
        self._listeners.append(listener)
        return listener

    def bind(self, name: str) -> socket.socket | None:
        """A socket of that name, None where nobody can listen."""
        if not _SUPPORTED:
            return None
        bell = _socket()
        try:
            bell.bind(self._address(name))
            self._directory.share(name)
        except OSError:
            bell.close()
            return None
        return bell

    def forget(self, listener: Listener) -> None:
        """Takes a bell down."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            self._unlink(listener.name)

    def close(self) -> None:
        """Ends all bells and lets go of the directory."""
        for listener in list(self._listeners):
            listener.close()
        self._hang_up()
        if self._out is not None:
            self._out.close()
            self._out = None
            os.close(self._fd)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line[1].close()
            self._line = None

    def _look(self) -> None:
        changed = os.stat(self._fd).st_mtime_ns
        if changed == self._seen_ns:
            return
        names: dict[str, list[str]] = {}
        for name in os.listdir(self._fd):
            names.setdefault(name.partition(".")[0], []).append(name)
        self._names = names
        self._seen_ns = changed if time.time_ns() - changed > _SETTLED_NS else -1

    def _send(self, name: str) -> None:
        assert self._out is not None
        try:
            self._out.sendto(b"", self._address(name))
        except BlockingIOError:
            # Either this listener has been rung and did not look yet, or so many have not that what was sent to them
            # fills this socket's own buffer: a new one tells.
            self._out.close()
            self._out = _socket()
            with contextlib.suppress(BlockingIOError):
                self._out.sendto(b"", self._address(name))
        except OSError as error:
            if error.errno in _GONE:  # its process died without taking it down
                self._unlink(name)

    def _address(self, name: str) -> str:
        return f"/proc/self/fd/{self._fd}/{name}"

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._fd)


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


class Listener:
    """One bell. See `oakum.store.base.Bell`."""

    echo_s = 0.0

    def __init__(self, tower: BellTower, name: str) -> None:
        self.name = name
        self._tower = tower
        self._pid = os.getpid()
        self._socket = tower.bind(name)
        self.rung, self.word = False, b""  # what the last `drain` found

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def wait(self, timeout: float) -> bool:
        poll = select.poll()  # select() knows only the first 1,024 descriptors
        if self._socket is not None:
            poll.register(self._socket, select.POLLIN)
        ready = poll.poll(max(0.0, timeout) * 1000)
        self.drain()
        return bool(ready)

    def drain(self) -> None:
        self.rung, self.word = False, b""
        if self._socket is None:
            return
        try:
            while not self.word:  # what comes after a word makes the descriptor readable again
                self.word = self._socket.recv(_LONGEST_WORD)
                self.rung = self.rung or not self.word
        except BlockingIOError:
            return

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if self._pid == os.getpid():  # one that a fork carried over is its parent's
                self._tower.forget(self)
