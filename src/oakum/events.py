"""The closed list of what a worker tells listeners, each event a value of its own type.

Events are emitted by the supervisor after the fact is in the store, to listeners in a process of their own, in order. The
line to them is bounded: when a listener falls behind, events are dropped and counted in the next one that gets through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct


class WorkerStarted(Struct, frozen=True, tag=True):
    """A worker has its template and its first children. `room` in bytes."""

    pid: int
    room: int
    slots: int
    rings: tuple[str, ...]


class WorkerStopped(Struct, frozen=True, tag=True):
    """A worker is about to end, with nothing left running."""

    pid: int
    reason: str


class ChildStarted(Struct, frozen=True, tag=True):
    """A child is ready. `resting` in bytes."""

    pid: int
    resting: int


class ChildEnded(Struct, frozen=True, tag=True):
    """A child has ended: replaced, killed, crashed or stopped."""

    pid: int
    reason: str


class JobEnded(Struct, frozen=True, tag=True):
    """One start of a job is over and the store knows it.

    `state` is the job's state after it (a retry is `scheduled`); `outcome` the name of the outcome; `duration_s` and
    `peak` are None where the start was never measured; `error` is "type: message" for all but completed jobs.
    """

    job_id: str
    task: str
    queue: str
    state: str
    outcome: str
    attempt: int
    duration_s: float | None = None
    peak: int | None = None
    error: str = ""
    traceback: str = ""


class LeaseWasLost(Struct, frozen=True, tag=True):
    """A result came too late: somebody else has the job, or settled it."""

    job_id: str
    task: str


class RoomShort(Struct, frozen=True, tag=True):
    """A job waits because its memory does not fit now. `wanted` and `free` in bytes."""

    task: str
    wanted: int
    free: int


class EventsDropped(Struct, frozen=True, tag=True):
    """Listeners fell behind, and this many events were not delivered."""

    count: int


Event = WorkerStarted | WorkerStopped | ChildStarted | ChildEnded | JobEnded | LeaseWasLost | RoomShort | EventsDropped
Listener = Callable[[Event], Any]

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """An event as bytes."""
    return _ENCODER.encode(event)


def decode_event(data: bytes) -> Event:
    """What `encode_event` gave."""
    event: Event = _DECODER.decode(data)
    return event
