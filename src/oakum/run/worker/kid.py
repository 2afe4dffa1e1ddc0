"""A child as its supervisor knows it: the way to it, the jobs it has in hand, its size, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from oakum.host.cgroup import Group, Parent
from oakum.host.process import INTERRUPT, kill_group
from oakum.model.admission import Plan
from oakum.model.job import Claimed
from oakum.model.outcome import Outcome
from oakum.run.child.tail import Tail
from oakum.run.link import wire
from oakum.run.link.channel import Channel
from oakum.run.link.orders import BEGIN, STOP, Order, Orders
from oakum.run.link.page import Page
from oakum.run.link.stream import Receiver
from oakum.units import MIB

GROUP_SLACK: Final = 8 * MIB  # page cache and the like, beside what ring 1 and 2 count
GROUP_STEP: Final = 1 * MIB  # by less than this the kernel's limit need not follow the child's size


class InHand(Struct, gc=False):
    """A job that a child was given. Times on the monotonic clock in seconds.

    `interrupted_at` is when it was asked to end, 0.0 if it was not; `doom` is its outcome should it have to be killed for that.
    """

    job: Claimed
    plan: Plan
    at: float
    interrupted_at: float = 0.0
    doom: Outcome | None = None


class Kid:
    """One child. `in_hand` is in the order of handing out; `verdict` is why it was killed, where we killed it.

    `slow`: its job has run for so long that nothing is to wait behind it.
    """

    def __init__(
        self,
        number: int,
        packets: Channel,
        orders: Orders,
        answers: Receiver,
        line: Channel,
        page: Page,
        output: int,
        groups: Parent | None,
    ) -> None:
        self.number = number
        self.answers, self.line, self.page, self.output = answers, line, page, output
        self._packets, self._orders = packets, orders
        self._groups = groups
        self.group: Group | None = None
        self.pid = 0
        self.pidfd = -1
        self.resting = 0
        self.shared = 0
        self.jobs = 0
        self.in_hand: dict[int, InHand] = {}
        self.plan: Plan | None = None
        self.verdict: Outcome | None = None
        self.sampled = 0
        self.asked_stack = False
        self.slow = False
        self.leaving = ""
        self.ring1 = ""
        self.ring3 = ""
        self.tail = Tail()
        self.born = time.monotonic()
        self._given = 0
        self._group_limit = 0

    @property
    def ready(self) -> bool:
        """Whether it has come up and may be given jobs."""
        return self.pidfd >= 0 and not self.leaving

    def arrive(self, hello: wire.Ready) -> None:
        """The child is there."""
        self.pid, self.ring1 = hello.pid, hello.ring1
        self.pidfd = os.pidfd_open(hello.pid)
        self.shared = hello.shared
        self.rest_at(hello.resident)
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.pid}/oom_score_adj", "w") as file:
                file.write("500")  # should the kernel have to choose, it is to be a child
        if self._groups is not None:
            try:
                self.group = self._groups.group(f"child-{self.number}")
                self.group.add(self.pid)
            except OSError as error:
                self.ring3 = f"off: {error}"

    def rest_at(self, resident: int) -> None:
        """What is resident of the child at rest, in bytes: the kernel's limit for its next job follows."""
        self.resting = max(0, resident - self.shared)
        if self.plan is not None:
            self._limit_group(self.plan)

    @property
    def group_behind(self) -> bool:
        """Whether the kernel held the running job to less than its limit: the one before it had just left much behind."""
        return self.plan is not None and self.page.resting - self.shared + self.plan.kill_at > self._group_limit

    def give(self, jobs: Sequence[Claimed], plan: Plan, now: float) -> bool:
        """Hands over up to `AT_ONCE` jobs in one packet; false when the child's inbox is full or closed."""
        numbers = range(self._given + 1, self._given + 1 + len(jobs))
        hands = [
            wire.Hand(
                number, job.task, job.queue, job.id, job.payload, job.token, attempt_of(job),
                plan.limit, plan.headroom, plan.timeout_s, job.tags,
            )
            for number, job in zip(numbers, jobs, strict=True)
        ]  # fmt: skip
        if plan is not self.plan:
            self._limit_group(plan)
            self.plan = plan
        try:
            if not self._packets.send(wire.encode(hands), wait=False):
                return False
            self._given += len(jobs)  # even if these can't begin, a number is of one job for good
            self._orders.give(Order(BEGIN, number) for number in numbers)
        except OSError:  # it has just died, and its end is on the way to us; or it has more orders than it can hold
            return False
        self.in_hand.update((number, InHand(job, plan, now)) for number, job in zip(numbers, jobs, strict=True))
        return True

    def take_back(self) -> list[Claimed]:
        """The jobs that it has not begun, in order; they are no longer its own. All else that it was told stands."""
        orders = self._orders.take_back()
        self._orders.give(order for order in orders if order.kind != BEGIN)
        held = [self.in_hand.pop(order.number, None) for order in orders if order.kind == BEGIN]
        return [each.job for each in held if each is not None]

    def stop(self, why: str) -> None:
        """Asks the child to end after what it has in hand; it gets no more."""
        if not self.leaving:
            self.leaving = why
            self._orders.give([Order(STOP)])

    def interrupt(self, number: int, why: int, doom: Outcome) -> None:
        """Has a running job raise: through the page and a signal, or by an order where several share a loop.

        `doom` is its outcome if it does not end by itself.
        """
        held = self.in_hand.get(number)
        if held is None or held.interrupted_at:
            return
        held.interrupted_at, held.doom = time.monotonic(), doom
        if held.plan.shared:
            self._orders.give([Order(why, number)])
            return
        self.page.interrupt(number, why)
        self.signal(INTERRUPT)

    def signal(self, number: int) -> None:
        """Signals the child itself."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self, verdict: Outcome | None) -> None:
        """Kills the child and its whole group; the first verdict is the one that counts."""
        self.leaving = self.leaving or "it was killed"
        if self.verdict is None:
            self.verdict = verdict
        if self.pid:
            kill_group(self.pid)
            self.signal(signal.SIGKILL)

    def late(self, now: float) -> Iterator[tuple[int, InHand]]:
        """The jobs that run, are past their time limit, and were not asked to end yet."""
        running = self.page.running()
        if running is None:
            return
        for number, held in list(self.in_hand.items()):
            if held.plan.timeout_s and not held.interrupted_at and (held.plan.shared or number == running[0]):
                began = held.at if held.plan.shared else running[1] / 1e9
                if now - began > held.plan.timeout_s:
                    yield number, held

    def deaf(self, now: float) -> bool:
        """Whether a job that was asked to end has not done so within its `kill_after`."""
        return any(
            held.interrupted_at and now - held.interrupted_at > held.plan.kill_after_s
            for held in list(self.in_hand.values())
        )

    def read_output(self) -> bool:
        """Takes in what was written to the child's plain descriptors 1 and 2; false when both are closed."""
        try:
            while data := os.read(self.output, 65536):
                self.tail.add(data.decode("utf-8", "replace"))
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        """Lets go of a child that has ended, and has the kernel clear away what it left in its group."""
        if self.pid:
            kill_group(self.pid)
        for each in (self._packets, self._orders, self.answers, self.line, self.page):
            each.close()
        os.close(self.output)
        if self.pidfd >= 0:
            os.close(self.pidfd)
        if self.group is not None:
            self.group.remove()

    def _limit_group(self, plan: Plan) -> None:
        """Ring 3: the group's limit follows the job's. v1 and v2 count the child's own pages, not the template's."""
        limit = self.resting + plan.kill_at + GROUP_SLACK
        if self.group is None or abs(limit - self._group_limit) < GROUP_STEP:
            return
        try:
            self.group.limit(limit)
            self._group_limit = limit
        except OSError as error:
            self.ring3 = f"behind: {error}"


def attempt_of(job: Claimed) -> int:
    """Which try of a job its next start is, from 1."""
    return job.tries + job.crashes + job.over + 1
