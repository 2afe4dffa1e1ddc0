"""Messages through a pipe: written one by one, each in the kernel before the writer goes on, and read many at a time."""

from __future__ import annotations

import os
import threading
from typing import Final

_LENGTH: Final = 4
_READ_AT_ONCE: Final = 65536


class Sender:
    """The writing end. Any thread may send; raises OSError when the other end is gone."""

    __slots__ = ("_fd", "_one_at_a_time")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._one_at_a_time = threading.Lock()  # what is longer than a page goes in several pieces

    def send(self, message: bytes) -> None:
        """Sends a message, however long; waits for room."""
        data = len(message).to_bytes(_LENGTH, "big") + message
        with self._one_at_a_time:
            sent = os.write(self._fd, data)
            while sent < len(data):
                sent += os.write(self._fd, memoryview(data)[sent:])


class Receiver:
    """The reading end, which does not block. `open` until the writer has ended and all was read."""

    __slots__ = ("_buffer", "_fd", "open")

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._buffer = bytearray()
        self.open = True

    def fileno(self) -> int:
        return self._fd

    def receive(self) -> list[bytes]:
        """The messages that have arrived whole: all that a pipe can hold. What a killed writer left unfinished is none."""
        try:
            data = os.read(self._fd, _READ_AT_ONCE)
        except BlockingIOError:
            return []
        self.open = bool(data)
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        at = 0
        while len(buffer) >= (begin := at + _LENGTH):
            end = begin + int.from_bytes(buffer[at:begin], "big")
            if end > len(buffer):
                break
            messages.append(bytes(buffer[begin:end]))
            at = end
        del buffer[:at]
        return messages

    def close(self) -> None:
        """Closes this end."""
        os.close(self._fd)
