"""How one start of a job can end, what it used, and the record of both that is kept."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from oakum.units import format_duration, format_size

MAX_TEXT: Final = 16 * 1024  # characters of a message or a traceback that are kept


class Completed(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=1):
    """The task returned. `result` is its value in MessagePack, None for None."""

    result: bytes | None = None


class Failed(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=2):
    """The task raised. `retry` is the place of the retry rule that its class matches, -1 for none."""

    type: str
    message: str = ""
    traceback: str = ""
    retry: int = 0


class Snoozed(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=3):
    """The task asked to be run again later; no try is spent."""

    delay_s: float


class Cancelled(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=4):
    """Somebody cancelled it."""

    reason: str = ""


class OverBudget(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=5):
    """It took more memory than its limit.

    `peak` and `limit` in bytes over the child's resting size; `where` is the line of the task's own code, or a stack;
    `ring` says who caught it: 1 the child itself, 2 the meter, 3 the kernel.
    """

    peak: int
    limit: int
    where: str = ""
    ring: int = 1
    traceback: str = ""


class TimedOut(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=6):
    """It passed its time limit. `hard`: it had to be killed."""

    limit_s: float
    hard: bool = False
    traceback: str = ""


class Lost(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=7):
    """The process that ran it ended under it. `host`: the whole machine did."""

    reason: str
    host: bool = False
    output: str = ""


class Expired(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=8):
    """It was not started in time."""

    reason: str = "expires passed before it could start"


class Released(Struct, frozen=True, array_like=True, gc=False, tag_field="outcome", tag=9):
    """It was given back unspent: the worker stopped, or its turn did not come. `alone`: it is to run by itself next time."""

    reason: str = ""
    alone: bool = False


Outcome = Completed | Failed | Snoozed | Cancelled | OverBudget | TimedOut | Lost | Expired | Released


class Usage(Struct, frozen=True, array_like=True, gc=False):
    """What one start used.

    `started_ms` wall milliseconds; `duration_us` microseconds of CLOCK_MONOTONIC; `peak`, `resting` and `retained` in
    bytes (`peak` over the resting size; `retained` None where it was not taken). `exact` is false where the peak is the
    largest sample of a process tree, or shared by several jobs of one loop.
    """

    started_ms: int
    duration_us: int
    peak: int
    resting: int = 0
    retained: int | None = None
    exact: bool = True


class Record(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one start of a job."""

    token: int
    outcome: Outcome
    usage: Usage | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """A record as bytes."""
    return _ENCODER.encode(record)


def decode_record(data: bytes) -> Record:
    """The record in `data`."""
    return _DECODER.decode(data)


def describe(outcome: Outcome | None) -> tuple[str, str, str]:
    """An outcome as people know it from exceptions: type, message and traceback."""
    match outcome:
        case Failed(type=kind, message=message, traceback=traceback):
            return kind, message, traceback
        case OverBudget(peak=peak, limit=limit, where=where, traceback=traceback):
            place = f" at {where.splitlines()[0]}" if where else ""
            return "OverBudget", f"took {format_size(peak)} of the {format_size(limit)} it may have{place}", traceback
        case TimedOut(limit_s=limit_s, hard=hard, traceback=traceback):
            how = "and had to be killed" if hard else "and was stopped"
            return "TimedOut", f"ran longer than {format_duration(limit_s)} {how}", traceback
        case Lost(reason=reason, output=output):
            return "Lost", reason, output
        case Cancelled(reason=reason) | Expired(reason=reason) | Released(reason=reason):
            return type(outcome).__name__, reason, ""
    return type(outcome).__name__, "", ""


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """`text`, its middle left out where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
