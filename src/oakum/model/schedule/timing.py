"""When a schedule ticks: every so often, by a cron text, or at given moments. Each answers the tick after a moment.

Ticks are wall milliseconds and depend on the timing alone, never on who asks or when: that is what makes a tick
something that can happen at most once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from msgspec import Struct

from oakum.errors import UsageError
from oakum.model.schedule.calendar import check_cron, cron_after
from oakum.units import Duration, parse_duration

SHORTEST_INTERVAL_MS: Final = 10
MOST_MOMENTS: Final = 1000
MOST_COUNTED: Final = 2000  # missed ticks of a cron text are counted up to here, since each has to be found

_SECOND_MS: Final = 1000
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


class Every(Struct, frozen=True, tag="every", omit_defaults=True):
    """A tick at `anchor_ms` and at every whole number of intervals before and after it."""

    interval_ms: int
    anchor_ms: int = 0

    def after(self, ms: int) -> int:
        """The first tick later than `ms`."""
        return ms + self.interval_ms - (ms - self.anchor_ms) % self.interval_ms

    def __str__(self) -> str:
        unit, length = next((unit, length) for unit, length in _UNITS if self.interval_ms % length == 0)
        return f"every {self.interval_ms // length}{unit}"


class Cron(Struct, frozen=True, tag="cron", omit_defaults=True):
    """A tick whenever a clock on a wall of `zone` fits `text`; see `oakum.model.schedule.calendar` for changes of the zone."""

    text: str
    zone: str = "UTC"

    def after(self, ms: int) -> int | None:
        """The first tick later than `ms`, None when there is none in fifty years."""
        return cron_after(self.text, self.zone, ms)

    def __str__(self) -> str:
        return f"{self.text} ({self.zone})"


class At(Struct, frozen=True, tag="at"):
    """A tick at each of `moments_ms`, which rise."""

    moments_ms: tuple[int, ...]

    def after(self, ms: int) -> int | None:
        """The first tick later than `ms`, None when there is none."""
        place = bisect_right(self.moments_ms, ms)
        return self.moments_ms[place] if place < len(self.moments_ms) else None

    def __str__(self) -> str:
        first = datetime.fromtimestamp(self.moments_ms[0] / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        more = len(self.moments_ms) - 1
        return f"at {first}" + (f" and {more} more" if more else "")


Timing = Every | Cron | At


def every(interval: Duration, *, anchor: datetime | None = None) -> Every:
    """Ticks at a steady interval: `every("1s")`, `every("15m")`.

    They fall on whole intervals since 1970-01-01 00:00 UTC (so an hour's ticks are on the hour, and a restart moves
    none of them), or since `anchor`, which needs a time zone. Raises UsageError for less than 10 ms.
    """
    interval_ms = round(parse_duration(interval, name="every") * 1000)
    if interval_ms < SHORTEST_INTERVAL_MS:
        raise UsageError(f"every: {interval!r} is less than {SHORTEST_INTERVAL_MS} ms")
    return Every(interval_ms, 0 if anchor is None else moment_ms(anchor, "every: anchor"))


def cron(text: str, *, zone: str = "UTC") -> Cron:
    """Ticks by a cron text of five fields, or of six with the seconds first: `cron("30 2 * * mon-fri", zone="Europe/Berlin")`.

    Fields take `*`, lists, ranges, steps and names (JAN, MON); days also `L` (last), `LW` (last weekday), `FRI#2` (second
    Friday), `5L` (last Friday). Where a zone sets its clocks, Debian cron's rule holds: a time that is left out runs once,
    right after the gap; one that comes twice runs the first time only. A text whose minute or hour begins with a star
    goes on with the time that passes. Raises UsageError for a text that makes no sense or never fires, and for an
    unknown zone.
    """
    check_cron(text, zone)
    return Cron(" ".join(text.split()), zone)


def at(*moments: datetime) -> At:
    """Ticks at given moments, each with a time zone; up to 1,000 of them."""
    if not 1 <= len(moments) <= MOST_MOMENTS:
        raise UsageError(f"at: {len(moments)} moments; give 1 to {MOST_MOMENTS}")
    return At(tuple(sorted({moment_ms(moment, "at") for moment in moments})))


def moment_ms(moment: datetime, name: str) -> int:
    """A moment in wall milliseconds. Raises UsageError, naming `name`, for one without a time zone."""
    if getattr(moment, "tzinfo", None) is None:
        raise UsageError(f"{name}: {moment!r} is no moment; write one with its zone, datetime(2030, 1, 1, tzinfo=UTC)")
    return round(moment.timestamp() * 1000)


def latest(timing: Timing, after_ms: int, upto_ms: int, most: int) -> tuple[list[int], int]:
    """The last ticks, at most `most` of them, later than `after_ms` and not later than `upto_ms`, and how many there are.

    Where there are more than that, it looks back in ever longer steps: it costs the same after a minute and after years.
    """
    first = list(islice(_between(timing, after_ms, upto_ms), most + 1))
    if len(first) <= most:
        return first, len(first)
    back = _SECOND_MS
    while True:
        found = deque(_between(timing, max(after_ms, upto_ms - back), upto_ms), maxlen=most)
        if len(found) == most:
            return list(found), _count(timing, after_ms, upto_ms)
        back *= 2


def _between(timing: Timing, after_ms: int, upto_ms: int) -> Iterator[int]:
    tick = timing.after(after_ms)
    while tick is not None and tick <= upto_ms:
        yield tick
        tick = timing.after(tick)


def _count(timing: Timing, after_ms: int, upto_ms: int) -> int:
    if isinstance(timing, Every):
        return (upto_ms - timing.after(after_ms)) // timing.interval_ms + 1
    return sum(1 for _ in islice(_between(timing, after_ms, upto_ms), MOST_COUNTED))
