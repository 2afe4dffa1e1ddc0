"""Who may start, with how much memory: limits from what is declared or learned, and the arithmetic of the room.

The rule, always: the sum over children of (resting size + limit in force) + supervisor + template <= room.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from oakum.model.job import Claimed
from oakum.model.stats import TaskStats
from oakum.model.task import TaskSpec
from oakum.units import MIB

LEARNED_AFTER: Final = 20  # runs, before an undeclared task's own peaks bound it
SMALLEST_LIMIT: Final = 32 * MIB
QUEUE_S: Final = 0.02  # work that is handed to one child ahead of time, in seconds of its task's mean duration
LARGEST_WINDOW: Final = 256
UNCOUNTED: Final = 4 * MIB  # of programs and libraries that a job is the first to touch, which are resident and no data
AGEING_S: Final = 5.0  # after this long, the room is drained for a job that does not fit


class Plan(Struct, frozen=True):
    """How one job may start. Bytes; `window` is how many such jobs one child may have in hand; `alone`: nothing beside it.

    `reserve` is what it counts for in the room: its limit, or less where memory is overcommitted.
    """

    limit: int
    reserve: int
    headroom: int
    window: int
    timeout_s: float
    kill_after_s: float
    alone: bool = False
    shared: str = ""

    @property
    def kill_at(self) -> int:
        """Bytes over the resting size at which the process group is killed: ring 1, where it works, comes first."""
        return self.limit + self.headroom + UNCOUNTED


def base_limit(spec: TaskSpec, stats: TaskStats | None, share: int) -> int:
    """The limit of a job that has not gone over yet: declared, or learned, or an equal share of the room.

    Learned: a quarter above the largest peak that is remembered, in steps of a quarter of an octave, so that
    neighbouring tasks get the same number and can follow one another in a child without a new limit.
    """
    if spec.memory is not None:
        return spec.memory
    if stats is None or stats.peak.count < LEARNED_AFTER:
        return share
    wanted = max(SMALLEST_LIMIT, int(stats.peak.largest * 1.25))
    steps = math.ceil(math.log2(wanted / MIB) * 4)
    return min(share, int(2 ** (steps / 4) * MIB))


def limit_of(job: Claimed, spec: TaskSpec, base: int, share: int) -> tuple[int, bool]:
    """The limit of one job and whether it runs alone: after it went over once, twice as much; then alone at the ceiling."""
    declared = spec.memory
    ceiling = spec.memory_max
    if job.overrides is not None:
        if job.overrides.memory is not None:
            declared = base = job.overrides.memory
        if job.overrides.memory_max is not None:
            ceiling = job.overrides.memory_max
    if ceiling is None:
        ceiling = base if declared is not None else max(base, share)
    ceiling = max(ceiling, base)
    if job.over == 0:
        return base, False
    if job.over == 1:
        return min(2 * base, ceiling), False
    return ceiling, True


def may_grow(job: Claimed, spec: TaskSpec, base: int, share: int) -> bool:
    """Whether a job that has just gone over its limit would be given more next time."""
    now, _ = limit_of(job, spec, base, share)
    later = Claimed(
        job.ref, job.id, job.task, job.queue, b"", job.token, job.tries, job.crashes, job.over + 1, False, job.overrides
    )
    return limit_of(later, spec, base, share)[0] > now


def window(spec: TaskSpec, stats: TaskStats | None) -> int:
    """How many jobs of a task one child may have in hand: 20 ms of work, one where nothing is known yet."""
    if spec.is_async:
        return spec.concurrency
    if stats is None or not stats.duration.count:
        return 1
    return max(1, min(LARGEST_WINDOW, int(QUEUE_S * 1e6 / max(1.0, stats.duration.mean))))


def weight(limit: int, in_hand: int, slot: int, is_async: bool) -> int:
    """What one job counts for in a claim: its part of a child's turn. Short ones count half: a second turn may wait."""
    turns = in_hand if in_hand == 1 or is_async else 2 * in_hand
    return max(1, max(limit, slot) // turns)


class Room(Struct, frozen=True):
    """The room of a worker tree and what is taken of it, in bytes."""

    size: int
    overhead: int
    resting: int
    reserved: int

    @property
    def free(self) -> int:
        """What can still be reserved."""
        return self.size - self.overhead - self.resting - self.reserved

    @property
    def budget(self) -> int:
        """What all limits in force may add up to."""
        return max(0, self.size - self.overhead - self.resting)
