"""The way out of a job for jobs that it enqueues: asked of the supervisor, answered after its commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from oakum.errors import EnqueueUnknown, UsageError
from oakum.model.job import NewJob
from oakum.model.outcome import Completed, Outcome
from oakum.run.link.calls import Call, Stored, decode_answer
from oakum.run.link.channel import Channel
from oakum.run.link.wire import encode
from oakum.store.base import Mark

MOST_FOLLOWING: Final = 1000


class Line:
    """The child's end. One question at a time, and every question is answered."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._following: list[NewJob] = []

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]:
        """Has jobs stored. Raises QueueFull, DuplicateJob, NotEnqueued or EnqueueUnknown."""
        self._channel.send(encode(Call(list(jobs))))
        packet = self._channel.receive()
        if not packet:
            raise EnqueueUnknown("the worker ended while the job was being stored")
        answer = decode_answer(packet)
        if isinstance(answer, Stored):
            return [Mark(place, job_id) for place, job_id in answer.marks]
        raise answer.error()

    def on_success(self, job: NewJob) -> None:
        """Keeps a job for the commit in which the running one completes."""
        if len(self._following) >= MOST_FOLLOWING:
            raise UsageError(f"on_success: more than {MOST_FOLLOWING} jobs; enqueue them as the job goes, in batches")
        self._following.append(job)

    def take_following(self, outcome: Outcome) -> tuple[NewJob, ...]:
        """The kept jobs, if the job completed; forgets them in any case."""
        if not self._following:
            return ()
        following = tuple(self._following) if isinstance(outcome, Completed) else ()
        self._following.clear()
        return following
