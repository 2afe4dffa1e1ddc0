"""One worker's part in the schedules: the one that leads fires ticks when they are due, the others what it left lying.

Who leads decides only who looks first. That a tick happens at most once is the store's doing.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from typing import Final

from oakum.errors import StoreError
from oakum.model.schedule.decide import SET_BACK_MS
from oakum.run.link.declared import read_declared
from oakum.run.ticker import Now, SafeInterval, Ticker
from oakum.store.base import Store

OVERDUE_MS: Final = 5000  # from when on a tick is anybody's
STEP_S: Final = 0.02  # that bringing declarations to the store may take of one turn
AT_LEAST: Final = 8  # schedules in one turn, however slow the disk is: most applications have all of theirs before their first job runs
AGAIN_S: Final = 1.0  # after a look that changed nothing, and after trouble with the store


class Scheduler:
    """See the module. `safe_ms` answers the smallest safe interval of a schedule in milliseconds, None while unknown."""

    def __init__(self, store: Store, now: Now, safe_ms: SafeInterval) -> None:
        self._store, self._now = store, now
        self._ticker = Ticker(store, now, safe_ms)
        self._declared: tuple[int | None, str] | None = None  # to be brought to the store: a file, and whose it is
        self._steps: Iterator[None] | None = None
        self._ahead_ms = self._ahead()
        self._leads = False
        self._next_ms: int | None = None
        self._not_before = 0.0
        self._trouble = ""

    def learn(self, declared: int | None, app: str) -> None:
        """Brings what `app` declares to the store, bit by bit; `declared` is `run.link.declared`'s file, None for nothing."""
        self.close()
        self._declared = declared, app
        self._steps = self._bring()

    def close(self) -> None:
        """Lets go of what is still to be brought."""
        if self._declared is not None and self._declared[0] is not None:
            os.close(self._declared[0])
        self._declared = self._steps = None

    def tick(self, holder: int, leads: bool) -> None:
        """Once a second: who leads, when the next tick is, what others left lying, whether the clock was set back."""
        ahead_ms = self._ahead()
        if self._ahead_ms - ahead_ms > SET_BACK_MS:
            self._steps = self._bring()
        self._ahead_ms, self._leads = ahead_ms, leads
        self._next_ms = self._store.next_tick()
        if not leads and self._next_ms is not None and self._next_ms + OVERDUE_MS <= self._now().wall_ms:
            self._ticker.fire(holder, OVERDUE_MS)

    def patience(self) -> float:
        """Seconds until there is something to do here."""
        if self._steps is not None:
            due = 0.0
        elif self._leads and self._next_ms is not None:
            due = (self._next_ms - self._now().wall_ms) / 1000
        else:
            return math.inf
        return max(0.0, due, self._not_before - time.monotonic())

    def turn(self, holder: int) -> bool:
        """Does what there is to do now, a bounded part of it; whether there may be jobs to claim."""
        if self.patience() > 0:
            return False
        try:
            if self._steps is None:
                fired = self._leads and self._fire(holder)
            else:  # first what the code says now: a tick of what it said before might make a job that nobody knows
                self._step(self._steps)
                fired = False
        except StoreError as error:
            self._trouble, self._not_before = str(error), time.monotonic() + AGAIN_S
            if self._steps is not None:
                self._steps = self._bring()
            return False
        self._trouble = ""
        return fired

    def notes(self) -> tuple[str, ...]:
        """Warnings in force."""
        trouble = (f"schedules: {self._trouble}",) if self._trouble else ()
        return (*self._ticker.warnings.values(), *trouble)

    def _bring(self) -> Iterator[None]:
        """Declarations, then a look at what waits for a clock that was set back."""
        if self._declared is not None:
            file, app = self._declared
            yield from self._ticker.declare(read_declared(file) if file is not None else (), app)
        yield from self._ticker.review()

    def _step(self, steps: Iterator[None]) -> None:
        """Goes on with it for a moment."""
        deadline = time.monotonic() + STEP_S
        for done, _ in enumerate(steps, 1):
            if done >= AT_LEAST and time.monotonic() > deadline:
                return
        self.close()
        self._next_ms = self._store.next_tick()

    def _fire(self, holder: int) -> bool:
        if not self._is_due():
            return False
        changed = self._ticker.fire(holder)
        self._next_ms = self._store.next_tick()
        if not changed and self._is_due():
            self._not_before = time.monotonic() + AGAIN_S
        return changed > 0

    def _is_due(self) -> bool:
        return self._next_ms is not None and self._next_ms <= self._now().wall_ms

    def _ahead(self) -> int:
        """By how much the wall clock is ahead of the one that nobody sets."""
        now = self._now()
        return now.wall_ms - now.boot_ms
