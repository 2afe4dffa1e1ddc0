"""Growth beneath a daily rhythm, in one life and pooled over several."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from oakum.watch.rhythm import Life, growth_beneath_rhythm
from oakum.watch.trend import HOUR

MB = 1_000_000
OLD = -1e6  # started long before the record


def life(figure, begin=0.0, end=48.0, born_h=None, seed=1):
    """What was seen from hour `begin` to hour `end`: `figure(hour, hours since begin)` bytes, shaken a little."""
    rng = random.Random(seed)
    times = [float(second) for second in range(int(begin * HOUR), int(end * HOUR), 300)]
    figures = [int(figure(at / HOUR, at / HOUR - begin) + rng.uniform(0, 0.1 * MB)) for at in times]
    return Life(times, figures, OLD if born_h is None else born_h * HOUR)


def day(hour):
    return 60 * MB * math.sin(hour * math.tau / 24)


def leak(rate, base=200):
    return lambda hour, age: base * MB + rate * MB * age + day(hour)


def filling(half_life_h):
    return lambda hour, age: 200 * MB + 300 * MB * (1 - 2 ** (-age / half_life_h)) + day(hour)


def test_one_life_of_two_days_shows_it():
    found = growth_beneath_rhythm([life(leak(2))])
    assert found.rate == pytest.approx(2 * MB, rel=0.02)
    assert found.rate_low <= found.rate <= found.rate_high


@pytest.mark.parametrize("reboots", [(31.0,), (17.0,), (19.0, 31.0)])
def test_lives_between_reboots_show_it_together_though_each_begins_anew(reboots):
    edges = (0.0, *reboots, 48.0)
    lives = [
        life(leak(2, base=150 + 40 * number), begin, end, begin if number else None)
        for number, (begin, end) in enumerate(pairwise(edges))
    ]
    assert growth_beneath_rhythm(lives).rate == pytest.approx(2 * MB, rel=0.05)


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([life(lambda hour, _: 200 * MB + day(hour))], id="the rhythm alone"),
        pytest.param([life(filling(5))], id="a cache that fills beneath it"),
        pytest.param([life(filling(13))], id="a cache that fills slowly beneath it"),
        pytest.param([life(filling(8), 0, 30), life(filling(8), 31, 48, 31)], id="a cache that fills after each reboot"),
        pytest.param(
            [life(lambda hour, _: 200 * MB + day(hour) + 90 * MB * (hour % 24) / 24)], id="a log rotated at midnight"
        ),
        pytest.param([life(lambda hour, _: 200 * MB + day(hour) + 80 * MB * (hour > 20))], id="a new level"),
        pytest.param([life(lambda _, age: 200 * MB + 80 * MB * (age > 18), 0, 35)], id="a new level at an hour seen once"),
        pytest.param([life(leak(2), 0, 24), life(lambda hour, _: 150 * MB + day(hour), 25, 48)], id="one life is level"),
        pytest.param([life(leak(2), 0, 23)], id="less than a day"),
        pytest.param([life(leak(2), 0, 24), life(leak(2), 24, 48)], id="no hour of a day has another day beside it"),
        pytest.param([life(leak(0.2))], id="too slow to matter"),
        pytest.param([life(leak(-2))], id="shrinking"),
        pytest.param([Life([], [], OLD)], id="nothing was recorded"),
        pytest.param([], id="nothing lived"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_none(lives):
    assert growth_beneath_rhythm(lives) is None
