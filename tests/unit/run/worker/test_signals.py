"""What a worker is told by signals, and when it hears it."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from oakum.run.worker.signals import Signals

ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in ALL}
    made = Signals()
    yield made
    made.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def tell(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def test_orders_are_taken_once_in_their_order_and_a_stop_stays(signals) -> None:
    tell(signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    assert signals.take() == [signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP]
    assert signals.take() == []
    assert signals.stops == 1
    tell(signal.SIGINT)
    assert signals.stops == 2


def test_a_signal_wakes_whoever_polls_until_it_is_drained(signals) -> None:
    def awake() -> bool:
        return bool(select.select([signals], [], [], 0)[0])

    signals.drain()  # there is nothing yet
    assert not awake()
    tell(signal.SIGUSR2)
    assert awake()
    signals.drain()
    assert not awake()
    assert signals.take() == [signal.SIGUSR2]
