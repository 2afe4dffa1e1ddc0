"""Job ids: 16 bytes, made by the client, sorted by time; 26 letters where people read them."""

from __future__ import annotations

import os
from typing import Final

from oakum.errors import UsageError

ID_BYTES: Final = 16
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_VALUE: Final = {letter: value for value, letter in enumerate(_LETTERS)}
_LENGTH: Final = 26


class IdSource:
    """Makes ids that rise: 48 bits of wall time in milliseconds, then 80 random bits that count up within one.

    The random bits are drawn anew each millisecond and in each process, so that no two sources meet.
    """

    __slots__ = ("_ms", "_next", "_pid")

    def __init__(self) -> None:
        self._ms, self._next, self._pid = -1, 0, 0

    def take(self, count: int, wall_ms: int) -> int:
        """The first of `count` consecutive ids, as an integer: id number `i` is `(first + i).to_bytes(16, "big")`."""
        if wall_ms != self._ms or self._pid != os.getpid():
            self._ms, self._pid = wall_ms, os.getpid()
            # The top bit stays clear, so that counting up never carries into the time.
            self._next = (wall_ms << 80) | (int.from_bytes(os.urandom(10), "big") >> 1)
        first = self._next
        self._next += count
        return first

    def new(self, wall_ms: int) -> bytes:
        """One id."""
        return self.take(1, wall_ms).to_bytes(ID_BYTES, "big")


def id_text(id: bytes) -> str:
    """The 26 letters of an id."""
    number = int.from_bytes(id, "big")
    return "".join(_LETTERS[(number >> shift) & 31] for shift in range(125, -1, -5))


def parse_id(text: str) -> bytes:
    """The id that `text` spells. Raises UsageError for anything else."""
    number = 0
    for letter in text.strip().lower():
        value = _VALUE.get(letter)
        if value is None:
            break
        number = number << 5 | value
    else:
        if len(text.strip()) == _LENGTH and number < 1 << 128:
            return number.to_bytes(ID_BYTES, "big")
    raise UsageError(
        f"job id: {text!r} is not one; an id has {_LENGTH} letters and digits, as `oakum jobs` prints them"
    )


def id_wall_ms(id: bytes) -> int:
    """When the id was made: wall time in milliseconds."""
    return int.from_bytes(id[:6], "big")
