"""Tells steady growth from warm-ups, plateaus, saw-teeth and daily rhythms. Pure: times and figures in, a rate out.

Trend tests such as Mann-Kendall call every cache that fills a leak. This one works on the lower envelope, which is what
a process keeps after its garbage is collected, and asks that the growth goes on: see docs/essays/watch-method.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Final, NamedTuple

from oakum.watch.history import UNKNOWN

HOUR: Final = 3600.0
LEAST_SPAN_S: Final = 26 * HOUR  # a day and a little: less, and the rise may be what each midnight takes back
LEAST_RATE: Final = 400_000.0  # bytes an hour
LEAST_GAIN: Final = 8_000_000  # bytes

_BUCKETS: Final = 24
_FEWEST_BUCKETS: Final = 16  # gaps may take the rest
_QUANTILE: Final = 0.1
_WARM_UP: Final = 0.1  # share of a young process's life that is left out
_CONCORDANT: Final = 0.95  # share of the pairs of buckets of which the later one is higher
_GOES_ON: Final = 0.6  # the last third's slope against the middle third's
_GOES_ON_LONG: Final = 0.5  # and against the first third's
_LARGEST_STEP: Final = 0.35  # share of the gain that may come at once
_DAYS_COMPARED_FROM_S: Final = 40 * HOUR
_FEWEST_HOURS: Final = 14  # that have a counterpart a day before
_EVEN: Final = 0.5  # the rate of the tenth hour from below against the median's
_RHYTHM: Final = 0.25  # how much the envelope falls at least, against what it gains: else there is nothing to see past
_LARGEST_HOUR: Final = 0.15  # share of all ups and downs that may fall into one hour: a new level is no rhythm


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


def steady_growth(
    times: Sequence[float], figures: Sequence[int], born_s: float, least_span_s: float = LEAST_SPAN_S
) -> Growth | None:
    """The growth of one generation of something (a process, a host since its boot), None where it is not certain.

    `figures` are bytes at `times` (ascending, seconds since 1970); `born_s` is when it began.
    """
    known = [figure for figure in figures if figure != UNKNOWN]
    if not known or max(known) - min(known) < LEAST_GAIN:
        return None
    start = bisect_left(times, born_s + _WARM_UP * (times[-1] - born_s))
    span = times[-1] - times[start]
    if span < least_span_s:
        return None
    growth = _straight(envelope(times, figures, start, span / _BUCKETS))
    if growth is None and span >= _DAYS_COMPARED_FROM_S:
        growth = _day_over_day(envelope(times, figures, start, HOUR))
    return growth


def envelope(times: Sequence[float], figures: Sequence[int], start: int, width_s: float) -> list[Point]:
    """The tenth percentile of each `width_s` seconds from `start` on; stretches without a known figure are left out."""
    points = []
    begin, edge = start, times[start]
    while begin < len(times):
        edge += width_s
        end = bisect_left(times, edge, begin) if edge < times[-1] else len(times)
        known = sorted(figure for figure in figures[begin:end] if figure != UNKNOWN)
        if known:
            points.append(Point(min(edge - width_s / 2, times[-1]), known[int(len(known) * _QUANTILE)]))
        begin = end
    return points


def _straight(points: list[Point]) -> Growth | None:
    """Growth that each stretch of the envelope adds to, the last ones as much as those before."""
    if len(points) < _FEWEST_BUCKETS:
        return None
    slopes = _slopes(points)
    third = len(points) // 3
    parts = points[:third], points[third:-third], points[-third:]
    first, middle, last = (_quantile(_slopes(part), 0.5) for part in parts)
    growth = _growth(slopes, points)
    sure = (
        sum(slope > 0 for slope in slopes) >= _CONCORDANT * len(slopes)
        and last >= max(_GOES_ON * middle, _GOES_ON_LONG * first)
        and max(_steps(points)) <= _LARGEST_STEP * growth.gained
    )
    return growth if sure and _matters(growth) else None


def _day_over_day(points: list[Point]) -> Growth | None:
    """Growth beneath a daily rhythm: each hour is higher than the same hour of the day before."""
    lows = {round((point.at_s - points[0].at_s) / HOUR): point.low for point in points}
    changes = [(lows[hour] - lows[hour - 24]) / 24 for hour in lows if hour - 24 in lows]
    if len(changes) < _FEWEST_HOURS:
        return None
    quarter = len(changes) // 4
    early, late = sum(changes[:quarter]), sum(changes[-quarter:])
    growth = _growth(sorted(changes), points)
    steps = _steps(points)
    ways = sum(map(abs, steps))
    falls = (ways - growth.gained) / 2
    sure = (
        growth.rate_low >= _EVEN * growth.rate
        and late >= _GOES_ON * early
        and falls >= _RHYTHM * growth.gained
        and max(map(abs, steps)) <= _LARGEST_HOUR * ways
    )
    return growth if sure and _matters(growth) else None


def _growth(rates: Sequence[float], points: Sequence[Point]) -> Growth:
    return Growth(_quantile(rates, 0.5), _quantile(rates, 0.1), _quantile(rates, 0.9), points[0], points[-1])


def _matters(growth: Growth) -> bool:
    return growth.rate >= LEAST_RATE and growth.rate * growth.hours >= LEAST_GAIN


def _steps(points: Sequence[Point]) -> list[int]:
    return [later.low - earlier.low for earlier, later in pairwise(points)]


def _slopes(points: Sequence[Point]) -> list[float]:
    """Bytes an hour between each two points, ascending (Theil and Sen)."""
    return sorted((b.low - a.low) / (b.at_s - a.at_s) * HOUR for a, b in combinations(points, 2))


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[int(share * (len(ascending) - 1))]
