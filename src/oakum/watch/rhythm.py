"""Finds growth beneath a daily rhythm, also over several lives of one command. Pure: times and figures in, a rate out.

Each life has a level of its own, each hour of the day what the rhythm adds to it, and all share one rate: a two-way
layout with a covariate, solved by taking the means of lives and of hours out of figures and times until none is left
(Frisch, Waugh and Lovell). What remains of a leak lies on a line; of caches, new levels and garbage it does not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from math import sqrt
from typing import Final, NamedTuple

from oakum.watch.tables import UNKNOWN
from oakum.watch.trend import HOUR, Growth, Point, low, may_grow, warm

_FEWEST_READINGS: Final = 30  # whole hours, of all lives together
_MOST_ALONE: Final = 10  # hours of the day that were seen once only: what happens in them has nothing beside it
_LEAST_SPREAD: Final = 350.0  # square hours that times differ when means are out: one pair a day apart makes 288
_SCATTER_H: Final = 0.8  # how far readings lie from the line, in hours of growth
_LARGEST_HOUR: Final = 0.1  # share of all ups and downs that may fall into one hour: a new level is no growth
_MIDDLE_80: Final = 1.28  # standard errors to each side
_ROUNDS: Final = 200  # of taking means out; a few dozen are enough
_SETTLED: Final = 1e-5


class Life(NamedTuple):
    """What was seen of one process: bytes at times (ascending, seconds since 1970), and when it was started."""

    times: Sequence[float]
    figures: Sequence[int]
    born_s: float


class _Reading(NamedTuple):
    """The low of one whole hour, counted since 1970, in one life."""

    life: int
    hour: int
    low: int

    @property
    def hour_of_day(self) -> int:
        return self.hour % 24


def growth_beneath_rhythm(lives: Sequence[Life]) -> Growth | None:
    """The rate that all `lives` share, None where it is not certain."""
    if not any(may_grow(life.figures) for life in lives):
        return None
    by_life = [list(_readings(number, life)) for number, life in enumerate(lives)]
    readings = [reading for each in by_life for reading in each]
    longest = max(by_life, key=len, default=[])
    if len(readings) < _FEWEST_READINGS or _leaps(by_life):
        return None
    fit = _fit(readings)
    if fit is None:
        return None
    rate, error = fit
    first, last = (Point((reading.hour + 0.5) * HOUR, reading.low) for reading in (longest[0], longest[-1]))
    growth = Growth(rate, rate - _MIDDLE_80 * error, rate + _MIDDLE_80 * error, first, last)
    return growth if growth.matters else None


def _readings(number: int, life: Life) -> Iterator[_Reading]:
    """The whole hours of a life, its warm-up left out."""
    start = warm(life.times, life.born_s)
    samples = zip(life.times[start:], life.figures[start:], strict=True)
    hours = [(int(hour), [figure for _, figure in run]) for hour, run in groupby(samples, lambda pair: pair[0] // HOUR)]
    for hour, figures in hours[1:-1]:
        known = sorted(figure for figure in figures if figure != UNKNOWN)
        if known:
            yield _Reading(number, hour, low(known))


def _leaps(by_life: Sequence[Sequence[_Reading]]) -> bool:
    """Whether one hour makes what no other hour does. Ten hours or so have no other day to be compared with."""
    changes = [abs(later.low - earlier.low) for readings in by_life for earlier, later in pairwise(readings)]
    return max(changes) > _LARGEST_HOUR * sum(changes)


def _fit(readings: Sequence[_Reading]) -> tuple[float, float] | None:
    """(bytes an hour, its standard error); None where the readings can't tell, or lie too far from the line."""
    since = readings[0].hour
    hours = _less_means([float(reading.hour - since) for reading in readings], readings)
    lows = _less_means([float(reading.low) for reading in readings], readings)
    seen = Counter(reading.hour_of_day for reading in readings)
    spread = sum(hour * hour for hour in hours)
    if spread < _LEAST_SPREAD or list(seen.values()).count(1) > _MOST_ALONE:
        return None
    rate = sum(hour * low for hour, low in zip(hours, lows, strict=True)) / spread
    free = len(readings) - len({reading.life for reading in readings}) - len(seen) - 1
    if rate <= 0 or free < 1:
        return None
    scatter = sqrt(sum((low - rate * hour) ** 2 for hour, low in zip(hours, lows, strict=True)) / free)
    return (rate, scatter / sqrt(spread)) if scatter <= _SCATTER_H * rate else None


def _less_means(values: list[float], readings: Sequence[_Reading]) -> list[float]:
    """The values less what their life and their hour of the day have in common."""
    groups = [_indices(reading.life for reading in readings), _indices(reading.hour_of_day for reading in readings)]
    least = _SETTLED * max(map(abs, values), default=0.0)
    for _ in range(_ROUNDS):
        largest = 0.0
        for members in (members for group in groups for members in group):
            mean = sum(values[index] for index in members) / len(members)
            largest = max(largest, abs(mean))
            for index in members:
                values[index] -= mean
        if largest <= least:
            break
    return values


def _indices(keys: Iterator[int]) -> list[list[int]]:
    """Which places have the same key."""
    found: dict[int, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        found[key].append(index)
    return list(found.values())
