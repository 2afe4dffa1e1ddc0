"""What a child is to do next: a pipe of small orders, of which the supervisor keeps the reading end too.

Who reads an order has it. So the supervisor can take back what the child has not begun, however deep in somebody's code
that child is, and no job is both begun and taken back. The jobs themselves travel beside, many in a packet.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

BEGIN: Final = 0
STOP: Final = 3  # between them: TIMEOUT and CANCEL, as on the page

_RECORD: Final = struct.Struct("=ii")
AT_ONCE: Final = select.PIPE_BUF // _RECORD.size  # so many are written whole or not at all (pipe(7)): 512
_READ_AT_ONCE: Final = 65536


class Order(NamedTuple):
    """BEGIN job `number`; STOP after all that came before; or end job `number`, one of several on a loop."""

    kind: int
    number: int = 0


class Orders:
    """The pipe, or in a child its reading end alone."""

    __slots__ = ("_poll", "_read", "_write")

    def __init__(self, read: int, write: int = -1) -> None:
        self._read, self._write = read, write
        self._poll = select.poll()
        self._poll.register(read, select.POLLIN)

    @classmethod
    def make(cls) -> Orders:
        """A new pipe."""
        return cls(*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))

    def fileno(self) -> int:
        """The reading end."""
        return self._read

    def give(self, orders: Iterable[Order]) -> None:
        """Puts up to `AT_ONCE` orders at the end. Raises BlockingIOError when there is no room for all of them."""
        os.write(self._write, b"".join([_RECORD.pack(*order) for order in orders]))

    def take_back(self) -> list[Order]:
        """All orders that nobody has read."""
        try:
            data = os.read(self._read, _READ_AT_ONCE)
        except BlockingIOError:
            return []
        return [Order(kind, number) for kind, number in _RECORD.iter_unpack(data)]

    def next(self, wait: bool = True) -> Order | None:
        """The next order, STOP when the supervisor is gone; None when there is none and `wait` is false."""
        while True:
            try:
                data = os.read(self._read, _RECORD.size)
            except BlockingIOError:
                if not wait:
                    return None
                self._poll.poll()
            else:
                return Order(*_RECORD.unpack(data)) if data else Order(STOP)

    def close(self) -> None:
        """Closes what there is of it."""
        os.close(self._read)
        if self._write >= 0:
            os.close(self._write)
