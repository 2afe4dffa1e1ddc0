"""The three clocks that Oakum reads, behind one small protocol so that tests can turn the hands."""

from __future__ import annotations

import time
from typing import Protocol

CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """What Oakum asks of time. All three answer in seconds."""

    def wall(self) -> float:
        """Seconds since 1970 (UTC). People see it; it can be set back or forward."""

    def boot(self) -> float:
        """Seconds since the host booted, time asleep included: leases run on it. Never goes back while the host is up."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC: limits and measured durations run on it."""


class SystemClock:
    """The host's own clocks."""

    def wall(self) -> float:
        return time.time()

    def boot(self) -> float:
        return time.monotonic() if CLOCK_BOOTTIME is None else time.clock_gettime(CLOCK_BOOTTIME)

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that stands still until it is told to move. Part of the public test kit.

    `wall`, `boot` and `monotonic` start at the given wall time, 1,000 and 1,000 seconds.
    """

    def __init__(self, wall: float = 1_767_225_600.0) -> None:
        self._wall, self._boot, self._monotonic = wall, 1000.0, 1000.0

    def wall(self) -> float:
        return self._wall

    def boot(self) -> float:
        return self._boot

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Time passes: all three clocks move on by `seconds`."""
        if seconds < 0:
            raise ValueError("time does not run backwards: use step_wall to set the wall clock back")
        self._wall += seconds
        self._boot += seconds
        self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock: only it moves, forward or back."""
        self._wall += seconds

    def suspend(self, seconds: float) -> None:
        """The host sleeps: wall and boot time pass, CLOCK_MONOTONIC stands still."""
        self._wall += seconds
        self._boot += seconds
