"""Jobs on their way into queues that may be full: how many to hand in next, and whether waiting is of use. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from oakum.errors import QueueFull
from oakum.model.job import NewJob
from oakum.store.base import Mark


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
