"""Schedules: one value each, version and time in front, then spec and state."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from oakum.store.kept import Scheduled
from oakum.store.redis.wire import blob

_HEAD: Final = struct.Struct(">QQI")


def row(schedule: Scheduled) -> tuple[Any, ...]:
    """A schedule as `write_schedule.lua` takes it."""
    return schedule.name, schedule.version, schedule.next_ms, blob(schedule.spec), blob(schedule.state)


def decode_all(pairs: Sequence[bytes]) -> list[Scheduled]:
    """Schedules of an answer that goes name, value, name, value."""
    return [_decode(name.decode(), value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)]


def _decode(name: str, value: bytes) -> Scheduled:
    version, next_ms, size = _HEAD.unpack_from(value)
    body = value[_HEAD.size :]
    return Scheduled(name, version, next_ms or None, body[:size], body[size:])
