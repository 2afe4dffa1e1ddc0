"""Bytes as the scripts can read them: Redis's own msgpack knows no binary type, but its strings may hold anything."""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec
from msgspec import Raw

_SHORT: Final = [bytes([0xA0 | size]) for size in range(32)]
_8, _16, _32 = struct.Struct(">BB"), struct.Struct(">BH"), struct.Struct(">BI")
_HEADS: Final = {0xD9: _8.size, 0xDA: _16.size, 0xDB: _32.size}
_NIL: Final = Raw(b"\xc0")

encode: Final = msgspec.msgpack.Encoder().encode


def blob(data: bytes | None) -> Raw:
    """`data` as a msgpack string, to be put into what is encoded."""
    if data is None:
        return _NIL
    size = len(data)
    if size < 32:
        return Raw(_SHORT[size] + data)
    if size < 1 << 8:
        return Raw(_8.pack(0xD9, size) + data)
    if size < 1 << 16:
        return Raw(_16.pack(0xDA, size) + data)
    return Raw(_32.pack(0xDB, size) + data)


def blobs(items: Any) -> list[Raw]:
    """Several of them."""
    return [blob(each) for each in items]


def data(raw: Raw) -> bytes | None:
    """What `blob` was given."""
    text = bytes(raw)
    return None if text == b"\xc0" else text[_HEADS.get(text[0], 1) :]
