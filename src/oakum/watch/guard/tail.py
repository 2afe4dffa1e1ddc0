"""The end of a command's output, kept in a bounded buffer until it is known whether anybody must see it."""

from __future__ import annotations

from oakum.units import format_size


class Tail:
    """Keeps the last `limit` bytes of what it is fed, and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Takes the next piece of output."""
        self._kept += data
        excess = len(self._kept) - self._limit
        if excess > 0:
            del self._kept[:excess]
            self._dropped += excess

    def text(self) -> bytes:
        """What was kept, whole lines where anything was dropped before them, under a line that says how much was."""
        if not self._dropped:
            return bytes(self._kept)
        start = self._kept.find(b"\n") + 1
        gone = format_size(self._dropped + start)
        return f"[the first {gone} of the output were not kept]\n".encode() + bytes(self._kept[start:])
