"""The end of a stream of text: what a job printed last, within a bound."""

from __future__ import annotations

from collections import deque
from typing import Final

KEPT_BYTES: Final = 64 * 1024
_PIECE: Final = 16 * 1024


class Tail:
    """The end of a stream of text: at most `KEPT_BYTES` of it, however much comes."""

    __slots__ = ("_pieces", "_size", "dropped")

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._size = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return self._size > 0

    def add(self, text: str) -> None:
        """Appends text."""
        if len(text) > KEPT_BYTES:
            self.dropped += len(text) - KEPT_BYTES
            text = text[-KEPT_BYTES:]
        # Small prints grow one piece: a deque of single characters would take fifty times their size.
        if self._pieces and len(self._pieces[-1]) + len(text) <= _PIECE:
            self._pieces[-1] += text
        else:
            self._pieces.append(text)
        self._size += len(text)
        while self._size - len(self._pieces[0]) >= KEPT_BYTES:
            gone = len(self._pieces.popleft())
            self._size -= gone
            self.dropped += gone

    def peek(self) -> str:
        """All that is kept, as it is."""
        return "".join(self._pieces)

    def take(self) -> bytes | None:
        """All that is kept, and a fresh start; None when nothing came."""
        if not self._size:
            return None
        data = "".join(self._pieces).encode("utf-8", "replace")
        dropped = self.dropped + max(0, len(data) - KEPT_BYTES)
        self._pieces.clear()
        self._size = self.dropped = 0
        if dropped:
            return b"... %d bytes before this were not kept ...\n" % dropped + data[-KEPT_BYTES:]
        return data
