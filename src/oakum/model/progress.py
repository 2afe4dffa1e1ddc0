"""How far a running job says it is."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct


class Progress(Struct, frozen=True, array_like=True):
    """`done` of `total` (0: unknown) in the job's own units, with a short note; `at_ms` is wall time in milliseconds."""

    done: float
    total: float = 0.0
    note: str = ""
    at_ms: int = 0


_DECODER: Final = msgspec.msgpack.Decoder(Progress)
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_progress(progress: Progress) -> bytes:
    """As bytes."""
    return _ENCODER.encode(progress)


def decode_progress(data: bytes) -> Progress:
    """What `encode_progress` gave."""
    return _DECODER.decode(data)
