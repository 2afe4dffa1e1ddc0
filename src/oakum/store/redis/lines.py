"""The connections of one process: those that nobody uses are kept for the next call, never across a fork.

redis-py has a pool too. After a pause of some milliseconds, as between the jobs of a quiet queue, that takes 150 us for a
call, as long as the call's way to a server on this host and back.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, cast

from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry

TIMEOUT_S: Final = 5.0
_KEPT: Final = 16  # of those that nobody uses
_SETTINGS: Final[dict[str, Any]] = {
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "protocol": 2,
    "retry": Retry(NoBackoff(), 0),  # a claim that is sent twice takes twice
}


class Line(Protocol):
    """What is used of a connection of redis-py, whose own types leave it open."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_command(self, *args: Any) -> None: ...
    def send_packed_command(self, command: Iterable[bytes], check_health: bool) -> None: ...
    def read_response(self) -> Any: ...


class Lines:
    """Connections to one server, which `connect` describes in redis-py's words. Several threads may use it at once."""

    def __init__(self, connect: Mapping[str, Any]) -> None:
        self._maker = ConnectionPool(**_SETTINGS | dict(connect))
        self._free: list[Line] = []
        self._pid = os.getpid()
        self._closed = False

    def open(self) -> Line:
        """A new connection, the caller's own."""
        line = cast("Line", self._maker.make_connection())
        line.connect()
        return line

    def take(self) -> Line:
        """A connection to be given back. One that the server has closed meanwhile is not handed out."""
        if self._pid != os.getpid():
            self._pid, self._free = os.getpid(), []
        while True:
            try:
                line = self._free.pop()
            except IndexError:
                return self.open()
            if _is_quiet(line):
                return line
            line.disconnect()

    def give_back(self, line: Line) -> None:
        """Keeps a connection for the next caller, unless it was disconnected."""
        if socket_of(line) is None:
            return
        if self._closed or len(self._free) >= _KEPT:
            line.disconnect()
        else:
            self._free.append(line)

    def close(self) -> None:
        """Closes those that nobody uses now, and the others as they come back."""
        self._closed = True
        while self._free:
            self._free.pop().disconnect()


def socket_of(line: Line) -> Any:
    """The socket of a connection, None once it is disconnected."""
    return cast("Any", line)._sock  # noqa: SLF001  # redis-py has no other way to its descriptor


def _is_quiet(line: Line) -> bool:
    """Whether nothing waits to be read: neither an answer to somebody else nor the end of the connection."""
    poll = select.poll()
    poll.register(socket_of(line), select.POLLIN)
    return not poll.poll(0)
