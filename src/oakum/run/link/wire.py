"""What supervisor, template and children say to each other: MessagePack arrays, one packet each."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from oakum.model.job import NewJob
from oakum.model.outcome import Outcome, Usage
from oakum.model.progress import Progress
from oakum.model.task import Manifest

# -- supervisor to child ---------------------------------------------------------------------------------------------


class Hand(Struct, frozen=True, array_like=True, gc=False):
    """A job to run; many go in one packet. `number` counts the jobs handed to this child, from 1.

    `limit` and `headroom` in bytes, 0 for no limit; `timeout_s` seconds, 0 for none.
    """

    number: int
    task: str
    queue: str
    id: bytes
    payload: bytes
    token: int
    attempt: int
    limit: int
    headroom: int
    timeout_s: float
    tags: tuple[str, ...] = ()


# -- child to supervisor ---------------------------------------------------------------------------------------------


class Ready(Struct, frozen=True, array_like=True, tag_field="kind", tag=1):
    """A child is there. `shared` bytes of its resident size are the template's; `rings` says what it could arm."""

    pid: int
    resident: int
    shared: int
    ring1: str = ""


class Done(Struct, frozen=True, array_like=True, gc=False, tag_field="kind", tag=2):
    """A job has ended. `resident` and `free_heap` are the child's size now and what of it is free inside malloc, in bytes.

    `spoiled` asks to be replaced, and says why; `log` is what the job printed.
    """

    number: int
    outcome: Outcome
    usage: Usage
    resident: int
    spoiled: str = ""
    log: bytes | None = None
    follow: tuple[NewJob, ...] = ()


class Declined(Struct, frozen=True, array_like=True, tag_field="kind", tag=3):
    """A job was not started, because its limit could not be kept in this child."""

    number: int
    reason: str


class Said(Struct, frozen=True, array_like=True, tag_field="kind", tag=4):
    """How far a running job is."""

    number: int
    progress: Progress


# -- template and supervisor -------------------------------------------------------------------------------------------


class Loaded(Struct, frozen=True, tag=True):
    """The application is imported. `resident` bytes are the template's size."""

    manifest: Manifest
    resident: int


class Broken(Struct, frozen=True, tag=True):
    """The application cannot be imported; `files` are those to watch for a change."""

    reason: str
    traceback: str
    files: tuple[str, ...]


class Fork(Struct, frozen=True, tag=True):
    """Make a child; its sockets and its page come along as descriptors. `listener`: one that hears events instead."""

    listener: bool = False


FromChild = Ready | Done | Declined | Said
FromTemplate = Loaded | Broken

encode: Final = msgspec.msgpack.Encoder().encode
decode_hands: Final = msgspec.msgpack.Decoder(list[Hand]).decode
decode_from_child: Final = msgspec.msgpack.Decoder(FromChild).decode
decode_from_template: Final = msgspec.msgpack.Decoder(FromTemplate).decode
decode_fork: Final = msgspec.msgpack.Decoder(Fork).decode
