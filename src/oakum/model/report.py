"""What a worker says of itself with each renewal, for `oakum status`: small, and bounded by its number of children."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct


class ChildReport(Struct, frozen=True):
    """One child. Bytes; `task` "" when it is idle; `measured` is its size now over its resting size; `running_s` seconds."""

    pid: int
    resting: int
    reserved: int
    measured: int
    task: str = ""
    job_id: str = ""
    running_s: float = 0.0
    in_hand: int = 0


class WorkerReport(Struct, frozen=True):
    """A worker. Bytes and wall milliseconds; `rates` are jobs per second over the last seconds.

    `state` is one of starting, running, short of memory, quiet, stopping, broken; `rings` says of each ring what it does here; `queues`
    are those it claims from; `notes` are warnings in force.
    """

    pid: int
    app: str
    state: str
    started_ms: int
    at_ms: int
    room: int
    supervisor: int
    template: int
    slots: int
    children: tuple[ChildReport, ...]
    rings: tuple[str, ...]
    durability: str
    waiting_for_room: int = 0
    ended: int = 0
    rate: float = 0.0
    pss: int = 0
    limits: dict[str, int] = {}
    queues: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def resting(self) -> int:
        """What the children hold at rest."""
        return sum(child.resting for child in self.children)

    @property
    def reserved(self) -> int:
        """What the jobs in hand may add."""
        return sum(child.reserved for child in self.children)

    @property
    def measured(self) -> int:
        """What they have added so far."""
        return sum(child.measured for child in self.children)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(WorkerReport)


def encode_report(report: WorkerReport) -> bytes:
    """As bytes."""
    return _ENCODER.encode(report)


def decode_report(data: bytes) -> WorkerReport | None:
    """What `encode_report` gave; None for nothing, and for a report of another version."""
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError:
        return None
