"""How a process tells the others that the file has changed: an empty datagram to each that listens.

A listener binds a socket in the store's own directory, which has the database's owner and mode; there is nothing to read
in a ring and nothing to forge but a needless look. Linux only (paths longer than 107 bytes go through /proc/self/fd);
elsewhere nobody listens and everybody polls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import sys
from typing import Final

from oakum.store.base import Topic

_SUPPORTED: Final = sys.platform == "linux"
_GONE: Final = (errno.ECONNREFUSED, errno.ENOENT)


class BellTower:
    """The listening sockets of one store directory: rings them all, and remembers who they are until that changes."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if _SUPPORTED else -1
        self._seen_ns = -1
        self._names: dict[str, list[str]] = {}
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if _SUPPORTED else None
        self._made = 0

    def ring(self, topic: Topic, but: str = "") -> None:
        """Rings every listener of a topic but one. A listener whose buffer is full has been rung already."""
        if self._out is None:
            return
        changed = os.stat(self._fd).st_mtime_ns
        if changed != self._seen_ns:
            self._look()
            self._seen_ns = changed
        for name in self._names.get(topic, ()):
            if name == but:
                continue
            try:
                self._out.sendto(b"", self.path(name))
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno in _GONE:  # its process died without closing it
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=self._fd)

    def listen(self, topic: Topic) -> Listener:
        """A new listener of a topic."""
        self._made += 1
        return Listener(self, f"{topic}.{os.getpid()}.{self._made}" if _SUPPORTED else "")

    def path(self, name: str) -> str:
        """A path of a bell that is short enough for a socket address."""
        return f"/proc/self/fd/{self._fd}/{name}"

    def remove(self, name: str) -> None:
        """Takes a bell away."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._fd)

    def close(self) -> None:
        """Lets go of the directory."""
        if self._out is not None:
            self._out.close()
            self._out = None
            os.close(self._fd)

    def _look(self) -> None:
        self._names = {}
        for name in os.listdir(self._fd):
            topic, dot, _ = name.partition(".")
            if dot and topic in ("work", "results"):
                self._names.setdefault(topic, []).append(name)


class Listener:
    """One bell. See `oakum.store.base.Bell`."""

    def __init__(self, tower: BellTower, name: str) -> None:
        self.name = name
        self._tower = tower
        self._pid = os.getpid()
        self._socket: socket.socket | None = None
        if name:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            tower.remove(name)
            self._socket.bind(tower.path(name))

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def wait(self, timeout: float) -> bool:
        ready = select.select([self._socket] if self._socket is not None else [], [], [], max(0.0, timeout))[0]
        self.drain()
        return bool(ready)

    def drain(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if self._pid == os.getpid():
                self._tower.remove(self.name)
