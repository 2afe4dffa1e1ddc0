"""The loop of every purge: one batch after another until nothing is left or a limit says so.

It is a generator that yields the seconds to wait, so that the same loop serves a thread, a job and an event loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import Final

from oakum.errors import UsageError
from oakum.host.tree import resident
from oakum.purge.options import FIRST_BATCH, Ended, Options, Progress, Report
from oakum.purge.pace import learn_cost, next_size, pause_after, retry_delay
from oakum.purge.target import Contended, DiskFull, Target
from oakum.units import parse_duration, parse_size

Steps = Generator[float, None, Report]

_WARM: Final = 2  # the batch by which those before it are forgotten: the first one paid for cold caches
_TRIES: Final = 12  # batches in a row undone by somebody else's lock, with up to two seconds between


def run(target: Target, options: Options) -> Report:
    """Runs the purge to its end in this thread."""
    steps = purge_steps(target, options)
    while not isinstance(step := advance(steps), Report):
        time.sleep(step)
    return step


def advance(steps: Steps) -> float | Report:
    """Runs one batch: the seconds to wait before the next, or the report of a purge that has ended."""
    try:
        return next(steps)
    except StopIteration as end:
        report: Report = end.value
        return report


def purge_steps(target: Target, options: Options) -> Steps:
    """The purge of `target`: yields the seconds to wait before the next batch, returns the Report."""
    if options.max_rows is not None and options.max_rows < 1:
        raise UsageError(f"max_rows: {options.max_rows} is not a number of rows; give 1 or more, or leave it out")
    if options.dry_run:
        return _count(target, options)
    return _Purge(target, options).steps()


def _count(target: Target, options: Options) -> Steps:
    yield from ()
    began = options.clock.monotonic()
    found = target.count()
    would = found if options.max_rows is None else min(found, options.max_rows)
    seconds = options.clock.monotonic() - began
    return Report(target.label, target.unit, "dry run", would=would, seconds=seconds)


class _Purge:
    """One purge under way."""

    def __init__(self, target: Target, options: Options) -> None:
        self._target, self._options, self._clock = target, options, options.clock
        self._max_lock = parse_duration(options.max_lock, name="max_lock")
        self._pause = None if options.pause is None else parse_duration(options.pause, name="pause", zero=True)
        self._max_time = None if options.max_time is None else parse_duration(options.max_time, name="max_time")
        self._max_memory = None if options.max_memory is None else parse_size(options.max_memory, name="max_memory")
        self._rows = self._freed = self._batches = self._tries = 0
        self._longest = self._cost = 0.0
        self._began, self._resident = self._clock.monotonic(), _resident()
        self._size = self._room(min(FIRST_BATCH, options.largest_batch))

    def steps(self) -> Steps:
        total = self._target.count() if self._options.count else None
        deleting = self._clock.monotonic()
        ended = self._limit()
        while ended is None:
            try:
                wait = self._batch()
            except Contended:
                wait = self._undone()
            except DiskFull:
                return self._report("disk full")
            if wait is None:
                return self._report("done")
            self._options.progress(
                Progress(self._target.label, self._target.unit, self._rows, total, self._clock.monotonic() - deleting)
            )
            ended = self._limit()
            if ended is None:
                yield wait
        return self._report(ended)

    def _batch(self) -> float | None:
        """Deletes one batch; the seconds to wait after it, None when nothing was left."""
        batch = self._target.delete(self._size)
        if batch is None:
            return None
        self._tries = 0
        self._rows += batch.rows
        self._freed += batch.freed
        self._batches += 1
        self._longest = max(self._longest, batch.locked)
        known = 0.0 if self._batches == _WARM else self._cost
        self._cost = learn_cost(known, batch)
        self._size = self._room(next_size(self._size, self._cost, self._max_lock, self._options.largest_batch))
        return pause_after(batch) if self._pause is None else self._pause

    def _undone(self) -> float:
        """The batch was undone by somebody else's lock: a smaller one, the seconds to wait before it."""
        self._tries += 1
        self._size = max(1, self._size // 2)
        return retry_delay(self._tries)

    def _room(self, size: int) -> int:
        """`size`, or what `max_rows` leaves of it."""
        left = size if self._options.max_rows is None else self._options.max_rows - self._rows
        return max(1, min(size, left))

    def _limit(self) -> Ended | None:
        """The limit that is reached, if any."""
        options = self._options
        if options.stop():
            return "stopped"
        if options.max_rows is not None and self._rows >= options.max_rows:
            return "max rows"
        if self._max_time is not None and self._clock.monotonic() - self._began >= self._max_time:
            return "max time"
        if self._max_memory is not None and _resident() - self._resident > self._max_memory:
            return "max memory"
        return "locked" if self._tries >= _TRIES else None

    def _report(self, ended: Ended) -> Report:
        return Report(
            label=self._target.label,
            unit=self._target.unit,
            ended=ended,
            rows=self._rows,
            freed=self._freed,
            batches=self._batches,
            seconds=self._clock.monotonic() - self._began,
            longest_lock=self._longest,
        )


def _resident() -> int:
    return resident(os.getpid()) or 0
