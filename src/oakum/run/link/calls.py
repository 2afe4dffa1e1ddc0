"""A running job's own enqueues, on a line of their own: what the child asks, what the supervisor answers."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from oakum.errors import DuplicateJob, EnqueueUnknown, NotEnqueued, QueueFull, StoreError
from oakum.model.job import NewJob


class Call(Struct, frozen=True, array_like=True):
    """Jobs that the running job enqueues."""

    jobs: list[NewJob]


class Stored(Struct, frozen=True, array_like=True, tag_field="kind", tag=1):
    """They are committed; `marks` are (place, id) of those that were there already."""

    marks: list[tuple[int, bytes]]


class Refused(Struct, frozen=True, array_like=True, tag_field="kind", tag=2):
    """They are not; `unknown` says that they might be."""

    message: str
    unknown: bool = False

    def error(self) -> StoreError:
        """The same as an exception."""
        return EnqueueUnknown(self.message) if self.unknown else NotEnqueued(self.message)


class Full(Struct, frozen=True, array_like=True, tag_field="kind", tag=3):
    """They are not, since a queue is full: the figures of QueueFull."""

    message: str
    queue: str
    jobs: int
    bytes: int
    max_jobs: int | None
    max_bytes: int | None
    on_full: str

    def error(self) -> QueueFull:
        """The same as an exception."""
        return QueueFull(
            self.message, queue=self.queue, jobs=self.jobs, bytes=self.bytes,
            max_jobs=self.max_jobs, max_bytes=self.max_bytes, on_full=self.on_full,
        )  # fmt: skip


class Duplicate(Struct, frozen=True, array_like=True, tag_field="kind", tag=4):
    """They are not, since the job `job_id` has a unique key that is to reject."""

    message: str
    job_id: str

    def error(self) -> DuplicateJob:
        """The same as an exception."""
        return DuplicateJob(self.message, self.job_id)


Refusal = Refused | Full | Duplicate
Answer = Stored | Refusal

decode_call: Final = msgspec.msgpack.Decoder(Call).decode
decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode


def refusal(error: StoreError) -> Refusal:
    """What the child is told of an error."""
    match error:
        case QueueFull():
            figures = error.queue, error.jobs, error.bytes, error.max_jobs, error.max_bytes, error.on_full
            return Full(str(error), *figures)
        case DuplicateJob():
            return Duplicate(str(error), error.job_id)
    return Refused(str(error), isinstance(error, EnqueueUnknown))
