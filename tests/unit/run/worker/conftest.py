"""Children without processes: the supervisor's side of one is real, and who plays the child holds the other ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from oakum.model.admission import Plan
from oakum.model.job import Claimed
from oakum.run.link.channel import Channel
from oakum.run.link.orders import Orders
from oakum.run.link.page import Page
from oakum.run.link.stream import Receiver
from oakum.run.worker.kid import Kid

MIB = 1024 * 1024


class Puppet(Kid):
    """A kid that is ready. Attributes: `told`, the orders as the child reads them; `stdout`, its descriptor 1."""

    def __init__(self, number: int, resting: int = 0) -> None:
        packets, self.theirs = Channel.pair()
        line, self.their_line = Channel.pair()
        output, self.stdout = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        answers, self.says = os.pipe2(os.O_CLOEXEC)
        self.told = Orders.make()
        super().__init__(number, packets, self.told, Receiver(answers), line, Page.make(), output, None)
        self.pidfd = os.pidfd_open(os.getpid())
        self.resting = resting

    def begin(self, number: int, resting: int = 0) -> None:
        """The child takes the next order, which is to begin that job, and does."""
        order = self.told.next(wait=False)
        assert order is not None
        assert order.number == number
        self.page.start(number, 1, resting)

    def close(self) -> None:
        super().close()
        self.theirs.close()
        self.their_line.close()
        os.close(self.stdout)
        os.close(self.says)


@pytest.fixture
def puppet() -> Iterator[Callable[..., Puppet]]:
    made: list[Puppet] = []

    def make(resting: int = 0) -> Puppet:
        made.append(Puppet(len(made) + 1, resting))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def plan() -> Callable[..., Plan]:
    def make(mib: int = 10, window: int = 1, *, shared: str = "", alone: bool = False) -> Plan:
        return Plan(mib * MIB, mib * MIB, 8 * MIB, window, 60.0, 1.0, alone, shared)

    return make


@pytest.fixture
def jobs() -> Callable[..., list[Claimed]]:
    def make(count: int = 1, task: str = "t") -> list[Claimed]:
        return [Claimed(ref, ref.to_bytes(16, "big"), task, "default", b"", 1) for ref in range(1, count + 1)]

    return make
