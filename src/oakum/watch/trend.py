"""Tells steady growth from warm-ups, plateaus and saw-teeth. Pure: times and figures in, a rate out.

Trend tests such as Mann-Kendall call every cache that fills a leak. This one works on the lower envelope, which is what
a process keeps after its garbage is collected, and asks that the growth goes on: see docs/essays/watch-method.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Final, NamedTuple

from oakum.watch.tables import UNKNOWN

HOUR: Final = 3600.0
LEAST_SPAN_S: Final = 26 * HOUR  # a day and a little: less, and the rise may be what each midnight takes back
LEAST_RATE: Final = 400_000.0  # bytes an hour
LEAST_GAIN: Final = 8_000_000  # bytes

_BUCKETS: Final = (24, 12, 8)  # into how many stretches the time is cut; fewer see past a slower saw-tooth
_FEWEST_BUCKETS: Final = 2 / 3  # gaps may take the rest
_QUANTILE: Final = 0.1
_WARM_UP: Final = 0.1  # share of a young process's life that is left out


class Demand(NamedTuple):
    """What is asked of the stretches of an envelope before their rise is called growth."""

    least_span_s: float
    concordant: float  # share of the pairs of stretches of which the later one is higher
    goes_on: float  # the last third's slope against the middle third's
    goes_on_long: float  # and against the first third's
    largest_step: float  # share of the gain that may come at once


CERTAIN: Final = Demand(LEAST_SPAN_S, 0.95, 0.6, 0.5, 0.35)
# Of a cache that fills, the last third of six hours rises less than 0.85 times as fast as the first one, unless it takes
# 17 hours and more for each half of what is left.
EARLY: Final = Demand(6 * HOUR, 0.98, 0.85, 0.85, 0.2)


class Point(NamedTuple):
    """One bucket of an envelope: seconds since 1970, bytes."""

    at_s: float
    low: int


class Growth(NamedTuple):
    """Growth that goes on. Rates in bytes an hour: the median, and the middle 80 % of what pairs of points say."""

    rate: float
    rate_low: float
    rate_high: float
    first: Point
    last: Point

    @property
    def hours(self) -> float:
        """Hours between the envelope's ends."""
        return (self.last.at_s - self.first.at_s) / HOUR

    @property
    def gained(self) -> int:
        """Bytes between the envelope's ends."""
        return self.last.low - self.first.low

    @property
    def matters(self) -> bool:
        """Whether it is above the floor."""
        return self.rate >= LEAST_RATE and self.rate * self.hours >= LEAST_GAIN


def steady_growth(
    times: Sequence[float], figures: Sequence[int], born_s: float, demand: Demand = CERTAIN
) -> Growth | None:
    """The growth of one generation of something (a process, a host since its boot), None where it is not certain.

    `figures` are bytes at `times` (ascending, seconds since 1970); `born_s` is when it began.
    """
    if not may_grow(figures):
        return None
    start = warm(times, born_s)
    span = times[-1] - times[start]
    if span < demand.least_span_s:
        return None
    tries = (_straight(envelope(times, figures, start, span / buckets), buckets, demand) for buckets in _BUCKETS)
    return next(filter(None, tries), None)


def may_grow(figures: Sequence[int]) -> bool:
    """Whether the figures differ by what matters at all: the cheap question before the dear ones."""
    known = [figure for figure in figures if figure != UNKNOWN]
    return bool(known) and max(known) - min(known) >= LEAST_GAIN


def warm(times: Sequence[float], born_s: float) -> int:
    """The index from which on a life that began at `born_s` is past its warm-up."""
    return bisect_left(times, born_s + _WARM_UP * (times[-1] - born_s))


def envelope(times: Sequence[float], figures: Sequence[int], start: int, width_s: float) -> list[Point]:
    """The tenth percentile of each `width_s` seconds from `start` on; stretches without a known figure are left out."""
    points = []
    begin, edge = start, times[start]
    while begin < len(times):
        edge += width_s
        end = bisect_left(times, edge, begin) if edge < times[-1] else len(times)
        known = sorted(figure for figure in figures[begin:end] if figure != UNKNOWN)
        if known:
            points.append(Point(min(edge - width_s / 2, times[-1]), low(known)))
        begin = end
    return points


def _straight(points: list[Point], buckets: int, demand: Demand) -> Growth | None:
    """Growth that each stretch of the envelope adds to, the last ones as much as those before."""
    if len(points) < _FEWEST_BUCKETS * buckets:
        return None
    slopes = _slopes(points)
    third = len(points) // 3
    parts = points[:third], points[third:-third], points[-third:]
    first, middle, last = (_quantile(_slopes(part), 0.5) for part in parts)
    middle_80 = _quantile(slopes, 0.1), _quantile(slopes, 0.9)
    growth = Growth(_quantile(slopes, 0.5), *middle_80, points[0], points[-1])
    sure = (
        sum(slope > 0 for slope in slopes) >= demand.concordant * len(slopes)
        and last >= max(demand.goes_on * middle, demand.goes_on_long * first)
        and max(b.low - a.low for a, b in pairwise(points)) <= demand.largest_step * growth.gained
    )
    return growth if sure and growth.matters else None


def low(ascending: Sequence[int]) -> int:
    """The tenth percentile: what is kept when garbage was collected."""
    return ascending[int(len(ascending) * _QUANTILE)]


def _slopes(points: Sequence[Point]) -> list[float]:
    """Bytes an hour between each two points, ascending (Theil and Sen)."""
    return sorted((b.low - a.low) / (b.at_s - a.at_s) * HOUR for a, b in combinations(points, 2))


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[int(share * (len(ascending) - 1))]
