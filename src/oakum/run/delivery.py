"""Jobs on their way into queues that may be full: how many to hand in next, and whether waiting is of use."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

from oakum.errors import EnqueueUnknown, NotEnqueued, QueueFull
from oakum.model.job import NewJob
from oakum.store.base import Mark, chunks

BATCH_JOBS: Final = 1000
BATCH_BYTES: Final = 1024 * 1024


class Delivery:
    """`jobs` are to be handed in next, until none is left; `stored` of the first ones are in; `marks` are the last answer's.

    `block_s`: for how many seconds the caller waits for room, None where he did not say.
    """

    def __init__(self, jobs: Sequence[NewJob], block_s: float | None = None) -> None:
        self.jobs, self.block_s = jobs, block_s
        self.stored = 0
        self.marks: Sequence[Mark] = ()
        self._left = jobs

    def accept(self, marks: Sequence[Mark]) -> None:
        """They are in."""
        self.stored += len(self.jobs)
        self.jobs = self._left = self._left[len(self.jobs) :]
        self.marks = marks

    def refuse(self, full: QueueFull) -> bool:
        """They are not: whether to wait for room, since not even the first fits, rather than to hand in fewer at once.

        Raises `full` where no waiting helps.
        """
        fit = _fitting(self.jobs, full)
        self.jobs = self._left[:fit] or self._left
        if fit:
            return False
        too_large = full.max_bytes is not None and len(self.jobs[0].payload) > full.max_bytes
        if full.on_full != "block" or (too_large and self.jobs[0].queue == full.queue):
            raise full
        return True


def _fitting(jobs: Sequence[NewJob], full: QueueFull) -> int:
    """How many of the first jobs fit, by the figures of the refusal."""
    places = len(jobs) if full.max_jobs is None else full.max_jobs - full.jobs
    room = None if full.max_bytes is None else full.max_bytes - full.bytes
    for place, job in enumerate(jobs):
        if job.queue == full.queue:
            places -= 1
            if room is not None:
                room -= len(job.payload)
            if places < 0 or (room is not None and room < 0):
                return place
    return len(jobs) // 2  # by the figures all fit, and yet they did not: others are handing in at the same time


def batches(jobs: Iterable[NewJob]) -> Iterable[list[NewJob]]:
    """Any number of jobs, a bounded part of them at a time."""
    return chunks(jobs, BATCH_JOBS, BATCH_BYTES)


async def abatches(jobs: Iterable[NewJob] | AsyncIterable[NewJob]) -> AsyncIterator[list[NewJob]]:
    """`batches` for asyncio; an iterable that is not async is read in a thread."""
    import asyncio

    if not isinstance(jobs, AsyncIterable):
        parts = iter(batches(jobs))
        while (batch := await asyncio.to_thread(next, parts, None)) is not None:
            yield batch
        return
    batch = []
    async for job in jobs:
        batch.append(job)
        if len(batch) == BATCH_JOBS:
            yield batch
            batch = []
    if batch:
        yield batch


@contextlib.contextmanager
def acknowledging(stored: int, delivery: Delivery) -> Iterator[None]:
    """An error tells how many of the first jobs are certainly in."""
    try:
        yield
    except (NotEnqueued, EnqueueUnknown) as error:
        error.acknowledged = stored + delivery.stored
        raise
