"""Job ids: 16 bytes, made by the client, sorted by time; 26 letters where people read them."""

from __future__ import annotations

from typing import Final

from oakum.errors import UsageError

ID_BYTES: Final = 16
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_VALUE: Final = {letter: value for value, letter in enumerate(_LETTERS)}
_LENGTH: Final = 26


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
