"""A job as Redis keeps it: one short string, so that many of them fit into one piece of the server's memory.

A head of fixed width, then `what` and `bonds` with their lengths in the head, then `tail`:

- `what`: the payload alone or, with the flag RICH, a `_What` in msgpack;
- `bonds`: empty, or a `_Bonds` in msgpack;
- `tail`: empty until a start has ended, then when the job ended (0: not yet) and the record of its last start.

The scripts read the same layout: `records.lua`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from oakum.model.ids import id_wall_ms
from oakum.model.job import Claimed, Conflict, JobView, NewJob, Overrides, State, Unique
from oakum.store.redis.wire import blob, data, encode

_HEAD: Final = struct.Struct(">BBIIHIHIhHHIHBII")  # six bytes are a short and a long
_ENDED: Final = struct.Struct(">Q")
_SUSPECT, _CANCEL, _RICH = 1, 2, 4

Names = Mapping[int, str]


class _What(Struct, frozen=True, array_like=True, gc=False):
    """What a job is to do: this much of it another may replace."""

    payload: Raw
    expires_ms: int | None = None
    overrides: Overrides | None = None
    tags: tuple[str, ...] = ()


class _Bonds(Struct, frozen=True, array_like=True, gc=False):
    """What ties a job to others. `unique` is all of its Unique but the key."""

    parent: Raw = Raw(b"\xc0")
    idempotency: Raw = Raw(b"\xc0")
    key: str | None = None
    unique: Raw = Raw(b"\xc0")
    conflict: Conflict = "keep"
    states: tuple[State, ...] = ()
    period_ms: int | None = None
    latest_ms: int | None = None


_PLAIN: Final = _What(Raw(b"\xa0"))
_NO_BONDS: Final = _Bonds()
_decode_what: Final = msgspec.msgpack.Decoder(_What).decode
_decode_bonds: Final = msgspec.msgpack.Decoder(_Bonds).decode


class Record(Struct, frozen=True, gc=False):
    """One job's record, taken apart."""

    id: bytes
    state: State
    suspect: bool
    cancel_asked: bool
    token: int
    ref: int
    run_at_ms: int
    priority: int
    queue: int
    task: int
    tries: int
    crashes: int
    over: int
    payload: bytes
    expires_ms: int | None
    overrides: Overrides | None
    tags: tuple[str, ...]
    bonds: _Bonds
    ended_ms: int | None
    last: bytes | None

    def claimed(self, names: Names) -> Claimed:
        """The job as its worker sees it."""
        return Claimed(
            self.ref, self.id, names[self.task], names[self.queue], self.payload, self.token, self.tries,
            self.crashes, self.over, self.suspect, self.overrides, self.tags, self.bonds.key, self.expires_ms,
        )  # fmt: skip

    def view(self, names: Names, progress: bytes | None) -> JobView:
        """The job as people see it."""
        return JobView(
            self.id, names[self.task], names[self.queue], self.state, self.priority, id_wall_ms(self.id), self.run_at_ms,
            self.ended_ms, self.expires_ms, self.tries, self.crashes, self.over, self.token, self.payload,
            self.last, self.tags, data(self.bonds.parent), progress, self.bonds.key,
        )  # fmt: skip

    def new(self, names: Names) -> NewJob:
        """The call, with the moment from which it may start."""
        bonds = self.bonds
        return NewJob(
            self.id, names[self.task], self.payload, names[self.queue], self.priority, self.run_at_ms, self.expires_ms,
            _unique(bonds), data(bonds.idempotency), self.overrides, self.tags, data(bonds.parent), bonds.key,
        )  # fmt: skip

    def copy(self, names: Names, id: bytes) -> NewJob:
        """A fresh copy of the job."""
        return NewJob(
            id, names[self.task], self.payload, names[self.queue], self.priority, unique=_unique(self.bonds),
            overrides=self.overrides, tags=self.tags, parent=self.id, key=self.bonds.key,
        )  # fmt: skip


def decode(id: bytes, raw: bytes) -> Record:
    """The record of a job."""
    (
        state, flags, token, _, seq_high, seq, run_high, run, priority, queue, task, tries, crashes, over, what, bonds,
    ) = _HEAD.unpack_from(raw)  # fmt: skip
    middle = _HEAD.size + what
    last = middle + bonds
    body = raw[_HEAD.size : middle]
    rich, payload = _PLAIN, body
    if flags & _RICH:
        rich = _decode_what(body)
        payload = data(rich.payload) or b""
    ended = _ENDED.unpack_from(raw, last)[0] if len(raw) > last else 0
    return Record(
        id, State(state), bool(flags & _SUSPECT), bool(flags & _CANCEL), token, seq_high << 32 | seq,
        run_high << 32 | run, priority, queue, task, tries, crashes, over,
        payload, rich.expires_ms, rich.overrides, rich.tags,
        _decode_bonds(raw[middle:last]) if bonds else _NO_BONDS,
        ended or None, raw[last + _ENDED.size :] or None,
    )  # fmt: skip


def decode_all(pairs: Sequence[bytes]) -> Iterable[Record]:
    """Records of an answer that goes id, record, id, record."""
    return map(decode, pairs[::2], pairs[1::2])


def decode_names(pairs: Sequence[bytes]) -> dict[int, str]:
    """Names of an answer that goes number, name, number, name."""
    return {int(number): text.decode() for number, text in zip(pairs[::2], pairs[1::2], strict=True)}


class Batch:
    """New jobs as `inserting.lua` takes them: rows, and the names that they speak of by their places in a list."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The names of all rows made so far."""
        return list(self._places)

    def row(self, job: NewJob) -> tuple[Any, ...]:
        """One job."""
        flags, what, bonds = 0, job.payload, b""
        if job.overrides is not None or job.tags or job.expires_ms is not None:
            flags, what = _RICH, encode(_What(blob(job.payload), job.expires_ms, job.overrides, job.tags))
        if not (job.parent is None and job.unique is None and job.idempotency is None and job.key is None):
            bonds = encode(_bonds(job))
        return (
            blob(job.id), self._place(job.queue), self._place(job.task), job.priority, max(0, job.run_at_ms), flags,
            blob(what), blob(bonds),
        )  # fmt: skip

    def _place(self, name: str) -> int:
        return self._places.setdefault(name, len(self._places) + 1)


def _bonds(job: NewJob) -> _Bonds:
    parent, idempotency = blob(job.parent), blob(job.idempotency)
    if job.unique is None:
        return _Bonds(parent, idempotency, job.key)
    key, conflict, states, period_ms, latest_ms = msgspec.structs.astuple(job.unique)
    return _Bonds(parent, idempotency, job.key, blob(key), conflict, states, period_ms, latest_ms)


def _unique(bonds: _Bonds) -> Unique | None:
    key = data(bonds.unique)
    return None if key is None else Unique(key, bonds.conflict, bonds.states, bonds.period_ms, bonds.latest_ms)
