"""The jobs that are claimed and not begun: who of the children gets which, and when one may pass another."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container, Sequence
from typing import Final

from oakum.events import RoomShort
from oakum.model.admission import AGEING_S, Plan
from oakum.model.job import Claimed
from oakum.model.outcome import Expired
from oakum.run.link.orders import AT_ONCE
from oakum.run.worker.crew import Crew, Ended
from oakum.run.worker.kid import Kid
from oakum.run.worker.ledger import Ledger
from oakum.run.worker.meter import Meter

PACKET_BYTES: Final = 32 * 1024  # of arguments that a child is given ahead: they lie in its memory
LOOK_AHEAD: Final = 32  # jobs that may pass one that does not fit


class Pool:
    """Jobs in the order in which they are to begin. `meter` is told of each that may begin in an idle child."""

    def __init__(self, crew: Crew, ledger: Ledger, meter: Meter) -> None:
        self._crew, self._fleet, self._ledger, self._meter = crew, crew.fleet, ledger, meter
        self._jobs: deque[Claimed] = deque()
        self._since = 0.0  # when its first job came to the head
        self._expiring = False  # whether any of them may expire

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def bytes(self) -> int:
        """What their arguments, and those of the jobs that the children have in hand, take of this process's memory."""
        waiting = sum(len(job.payload) for job in self._jobs)
        return waiting + sum(len(held.job.payload) for kid in self._fleet.kids for held in kid.in_hand.values())

    @property
    def weight(self) -> int:
        """What they and the jobs that the children have in hand count for."""
        ledger = self._ledger
        waiting = sum(ledger.weigh(ledger.plan(job)) for job in self._jobs)
        return waiting + sum(
            ledger.weigh(kid.plan) * len(kid.in_hand)
            for kid in self._fleet.kids
            if kid.in_hand and kid.plan is not None
        )

    def add(self, claimed: Sequence[Claimed]) -> None:
        """Puts new jobs at the end."""
        if not self._jobs:
            self._since = time.monotonic()
        self._jobs.extend(claimed)
        self._expiring = self._expiring or any(job.expires_ms is not None for job in claimed)

    def clear(self) -> list[Claimed]:
        """Takes them all out."""
        jobs = list(self._jobs)
        self._jobs.clear()
        return jobs

    def remove(self, refs: Container[int]) -> list[Claimed]:
        """Takes those out that the store knows by one of `refs`."""
        found = [job for job in self._jobs if job.ref in refs]
        self._jobs = deque(job for job in self._jobs if job.ref not in refs)
        return found

    def take_returned(self) -> None:
        """What the children have given back comes first again."""
        if self._crew.returned:
            self._jobs.extendleft(reversed(self._crew.returned))
            self._crew.returned = []
            self._expiring = True  # perhaps

    def hand_out(self, now_ms: int) -> None:
        """Gives jobs to children, in order; a few may pass one that does not fit, until it has waited too long."""
        self.take_returned()
        self._expire(now_ms)
        if not self._jobs:
            return
        monotonic = time.monotonic()
        passed: list[Claimed] = []
        drain = monotonic - self._since > AGEING_S
        while self._jobs and len(passed) < LOOK_AHEAD:
            plan = self._ledger.plan(self._jobs[0])
            kid = self._fleet.place(plan)
            if kid is None:
                passed.append(self._jobs.popleft())
                if drain or plan.alone:
                    break
                continue
            if not self._give(kid, plan, monotonic):
                break
            if not passed:
                self._since = monotonic
        if passed:
            self._jobs.extendleft(reversed(passed))
            self._say_short(passed[0])

    def _expire(self, now_ms: int) -> None:
        """Ends those that may not begin any more: claimed in time, they waited for what this worker has ahead of them."""
        if self._expiring:
            expiring = [job for job in self._jobs if job.expires_ms is not None]
            late = self.remove({job.ref for job in expiring if job.expires_ms is not None and job.expires_ms <= now_ms})
            self._crew.ended += [Ended(job, Expired()) for job in late]
            self._expiring = len(late) < len(expiring)

    def _give(self, kid: Kid, plan: Plan, monotonic: float) -> bool:
        """Gives a child its share of the jobs under one plan at the head; false when it takes no more."""
        was_idle = not kid.in_hand
        share = min(AT_ONCE, plan.window - len(kid.in_hand), -(-len(self._jobs) // len(self._fleet.kids)))
        jobs, size = [self._jobs.popleft()], 0
        while self._jobs and len(jobs) < share and self._ledger.plan(self._jobs[0]) is plan:
            size += len(self._jobs[0].payload)
            if size > PACKET_BYTES:
                break
            jobs.append(self._jobs.popleft())
        if not kid.give(jobs, plan, monotonic):
            self._jobs.extendleft(reversed(jobs))
            return False
        if was_idle:
            self._meter.expect(plan.limit)
        return True

    def _say_short(self, job: Claimed) -> None:
        herald = self._crew.herald
        if herald.listens:
            plan, free = self._ledger.plan(job), self._fleet.room().free
            if plan.reserve > free:
                herald.emit(RoomShort(job.task, plan.reserve, max(0, free)))
