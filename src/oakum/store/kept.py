"""What a store keeps as it was given, and hands on as it is: to whoever reads it, and to another store."""

from __future__ import annotations

from msgspec import Struct


class Start(Struct, frozen=True):
    """One earlier start of a job: when it ended (wall milliseconds) and its record."""

    token: int
    ended_ms: int
    record: bytes


class Scheduled(Struct, frozen=True):
    """A schedule as the store keeps it. `next_ms` is when the leader is to look at it, None for never (paused, over);
    `version` counts its changes: the fence against two leaders. `spec` and `state` are `oakum.model.schedule`'s, encoded."""

    name: str
    version: int
    next_ms: int | None
    spec: bytes
    state: bytes = b""
