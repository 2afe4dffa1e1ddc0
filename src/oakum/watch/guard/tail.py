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
        """What was kept, ended by a newline; whole lines where anything was dropped before them, which is said first.

        Of a line that is longer than all that is kept its end is shown.
        """
        kept, said = bytes(self._kept), b""
        if self._dropped:
            whole = kept[kept.find(b"\n") + 1 :] or kept
            gone = format_size(self._dropped + len(kept) - len(whole))
            kept, said = whole, f"[the first {gone} of the output were not kept]\n".encode()
        return said + kept + (b"" if kept.endswith(b"\n") or not kept else b"\n")
