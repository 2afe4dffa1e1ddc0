"""The clocks: the host's own move, the fake one moves when it is told."""

from __future__ import annotations

import time

import pytest

from oakum.clock import FakeClock, SystemClock


def hands(clock: FakeClock) -> tuple[float, float, float]:
    return clock.wall(), clock.boot(), clock.monotonic()


def test_the_system_clock_reads_the_clocks_of_the_host() -> None:
    clock = SystemClock()
    assert time.time() <= clock.wall() <= time.time()
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
    assert time.clock_gettime(time.CLOCK_BOOTTIME) <= clock.boot() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_fake_clock_stands_still(clock: FakeClock) -> None:
    assert hands(clock) == hands(clock) == (1_767_225_600.0, 1000.0, 1000.0)


def test_time_passes_on_all_three_hands(clock: FakeClock) -> None:
    clock.advance(2.5)
    assert hands(clock) == (1_767_225_602.5, 1002.5, 1002.5)


def test_only_the_wall_clock_can_be_set(clock: FakeClock) -> None:
    clock.step_wall(-3600)
    assert hands(clock) == (1_767_222_000.0, 1000.0, 1000.0)


def test_a_host_asleep_stops_only_the_monotonic_hand(clock: FakeClock) -> None:
    clock.suspend(60)
    assert hands(clock) == (1_767_225_660.0, 1060.0, 1000.0)


def test_time_does_not_run_backwards(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="step_wall"):
        clock.advance(-1)
