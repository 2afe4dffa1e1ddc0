"""The schedules that an application declares, on their way to the supervisor: a file in memory, read a piece at a time.

There may be ten thousand, which is more than a packet holds and more than a worker is to remember.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from oakum.model.schedule.spec import Schedule

_PIECE: Final = 100
_LENGTH: Final = 4

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[tuple[str, Schedule]]).decode


def write_declared(schedules: Mapping[str, Schedule]) -> int:
    """A descriptor of a new file with all schedules in it, in the order of their names."""
    file = os.memfd_create("schedules")
    names = sorted(schedules)
    for first in range(0, len(names), _PIECE):
        piece = _encode([(name, schedules[name]) for name in names[first : first + _PIECE]])
        os.write(file, len(piece).to_bytes(_LENGTH, "big") + piece)
    return file


def read_declared(file: int) -> Iterator[tuple[str, Schedule]]:
    """What `write_declared` wrote, from the beginning."""
    at = 0
    while head := os.pread(file, _LENGTH, at):
        length = int.from_bytes(head, "big")
        yield from _decode(os.pread(file, length, at + _LENGTH))
        at += _LENGTH + length
