"""Ring 2 and the time limits: a thread that looks at every busy child, often enough that none can run far.

The next look at a child comes after (what it may still take) / 4 GB/s, no sooner than 2 ms and no later than 100 ms: no
program touches fresh memory faster than that on one core. It acts by signals only; what it did stands in `Kid.verdict`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from oakum.host.process import SHOW_STACK
from oakum.host.tree import descendants, private, resident
from oakum.model.outcome import OverBudget, TimedOut
from oakum.run.link.page import TIMEOUT
from oakum.run.worker.kid import Kid

TOUCH_RATE: Final = 4e9  # bytes a second
SOONEST_S: Final = 0.002
LATEST_S: Final = 0.1
ASLEEP_S: Final = 3600.0
WARN_AT: Final = 0.9


class Meter:
    """Looks at the children that `kids` names, until it is closed."""

    def __init__(self, kids: Callable[[], Iterable[Kid]]) -> None:
        self._kids = kids
        self._wake = threading.Event()
        self._next = 0.0
        self._open = True
        self._thread = threading.Thread(target=self._live, name="oakum-meter", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def expect(self, limit: int) -> None:
        """A job with this limit is about to start in a child that was idle: look in time for it."""
        soon = time.monotonic() + _pause(limit)
        if self._next > soon:
            self._next = soon
            self._wake.set()

    def close(self) -> None:
        """Stops looking."""
        self._open = False
        self._wake.set()
        self._thread.join()

    def _live(self) -> None:
        while self._open:
            self._wake.clear()
            now = time.monotonic()
            pauses = [look(kid, now) for kid in list(self._kids())]
            # A job may start at any moment in a child that has others in hand, so what is in hand counts, not what runs.
            self._next = now + min(pauses, default=ASLEEP_S)
            self._wake.wait(max(0.0, self._next - time.monotonic()))


def look(kid: Kid, now: float) -> float:
    """One look at one child: acts on what it sees, answers after how many seconds to look again."""
    plan = kid.plan
    if not kid.in_hand or plan is None or kid.verdict is not None:
        return ASLEEP_S
    _keep_time(kid, now)
    running = kid.page.running()
    held = kid.in_hand.get(running[0]) if running is not None else None
    if held is None:
        return _pause(plan.limit)
    used = _used(kid, held.plan.kill_at)
    if used is None:
        return LATEST_S
    kid.sampled = max(kid.sampled, used)
    left = held.plan.kill_at - used
    if used >= held.plan.limit * WARN_AT and not kid.asked_stack:
        kid.asked_stack = True
        kid.signal(SHOW_STACK)
    if left <= 0:
        kid.kill(OverBudget(used, held.plan.limit, ring=2))
        return LATEST_S
    return _pause(left)


def _keep_time(kid: Kid, now: float) -> None:
    for number, held in kid.late(now):
        kid.interrupt(number, TIMEOUT, TimedOut(held.plan.timeout_s, hard=True))
    if kid.deaf(now):
        kid.kill(None)


def _used(kid: Kid, enough: int) -> int | None:
    """Bytes that the job has added: its child over the resting size, and all processes below it."""
    size = resident(kid.pid)
    if size is None:
        return None
    used = max(0, size - kid.page.resting)
    below = descendants(kid.pid)
    if not below:
        return used
    crude = used + sum(resident(pid) or 0 for pid in below)
    if crude < enough:
        return crude
    # A forked process shares its parent's pages, and RSS counts them twice: before anybody is killed, count exactly.
    return used + sum(private(pid) or 0 for pid in below)


def _pause(left: float) -> float:
    return min(LATEST_S, max(SOONEST_S, left / TOUCH_RATE))
