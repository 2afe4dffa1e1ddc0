"""How a purge runs and how it ended: its limits and wishes, what it says on the way, its report."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from oakum.clock import Clock, SystemClock
from oakum.units import Duration, Size, format_duration

Ended = Literal["done", "dry run", "max rows", "max time", "max memory", "stopped", "disk full", "locked"]

LARGEST_BATCH: Final = 20_000
FIRST_BATCH: Final = 1_000
_LOG_EVERY_SECONDS: Final = 10.0

log = logging.getLogger("oakum.purge")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a purge is. `total` is None where nobody counted; `seconds` is the time since it began to delete."""

    label: str
    unit: str
    done: int
    total: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Rows (files, keys) a second so far."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds until the end at the rate so far, None where that is unknown."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    @property
    def pace(self) -> str:
        """The rate and, where it is known, the remaining time, in words."""
        rest = "" if self.remaining is None else f", {format_duration(self.remaining)} left"
        return f"{self.rate:,.0f}/s{rest}"

    @property
    def amount(self) -> str:
        """How many are gone and, where it is known, of how many, in words."""
        return f"{self.done:,}" if self.total is None else f"{self.done:,} of {self.total:,}"

    def __str__(self) -> str:
        return f"{self.label}: {self.amount} {self.unit}, {self.pace}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a purge did, and why it ended.

    `rows` rows, files or keys are gone (`would`: how many a dry run found); `freed` bytes, for files only; `longest_lock`
    in seconds; `skipped` entries could not be opened or removed. `ended` is "done", "dry run", or what stopped it: then
    running it again goes on where it stopped.
    """

    label: str
    unit: str
    ended: Ended
    rows: int = 0
    would: int | None = None
    freed: int = 0
    batches: int = 0
    seconds: float = 0.0
    longest_lock: float = 0.0
    skipped: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left that the purge was asked to delete."""
        return self.ended == "done"


class LogLines:
    """Progress as log lines of the logger `oakum.purge`, one every ten seconds."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.seconds - self._said >= _LOG_EVERY_SECONDS:
            self._said = progress.seconds
            log.info("%s", progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The limits of a purge and its ties to the caller. Every limit is looked at between two batches.

    `dry_run`: count, delete nothing. `all`: the caller means every row. `count`: count first, so that progress knows a
    total. `max_rows`, `max_time`, `max_memory` (growth of this process): stop there. `max_lock`: batches are sized so
    that none holds its locks longer. `pause`: between two batches, by default as long as others need to get in.
    `largest_batch`: rows, whatever the time allows. `position`: a file that keeps where the purge stopped.
    `stop`: asked after each batch, True ends the purge. `progress`: called after each batch. `note`: hears what is worth
    knowing, a line at a time.
    """

    dry_run: bool = False
    all: bool = False
    count: bool = False
    max_rows: int | None = None
    max_time: Duration | None = None
    max_memory: Size | None = None
    max_lock: Duration = "250ms"
    pause: Duration | None = None
    largest_batch: int = LARGEST_BATCH
    position: str | os.PathLike[str] | None = None
    stop: Callable[[], bool] = bool
    progress: Callable[[Progress], None] = field(default_factory=LogLines)
    note: Callable[[str], None] = log.info
    clock: Clock = field(default_factory=SystemClock)
