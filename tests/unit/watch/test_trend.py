"""Growth that goes on, told from everything that only looks like it."""

from __future__ import annotations

import math
import random

import pytest

from oakum.watch.tables import UNKNOWN
from oakum.watch.trend import EARLY, HOUR, envelope, steady_growth

MB = 1_000_000
BASE = 200 * MB


def series(figure, hours=48.0, every=300):
    """Times from second 0, and `figure(hour)` bytes at each."""
    times = [float(second) for second in range(0, int(hours * HOUR), every)]
    return times, [int(figure(time / HOUR)) for time in times]


def growth(figure, *, hours=48.0, born_s=-1e6):
    return steady_growth(*series(figure, hours), born_s)


def noise(seed, size):
    rng = random.Random(seed)
    return lambda: rng.uniform(-size, size)


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0, 20.0])
def test_a_leak_is_found_and_its_rate_is_right(rate):
    shake = noise(1, 0.2 * MB)
    found = growth(lambda hour: BASE + rate * MB * hour + shake())
    assert found.rate == pytest.approx(rate * MB, rel=0.03)
    assert found.rate_low <= found.rate <= found.rate_high
    assert found.gained == pytest.approx(rate * MB * found.hours, rel=0.05)


def ar1(seed):
    rng, value = random.Random(seed), 0.0

    def step():
        nonlocal value
        value = 0.95 * value + rng.gauss(0, MB)
        return value

    return step


def record(seed):
    rng, largest = random.Random(seed), 0.0

    def step():
        nonlocal largest
        largest = max(largest, rng.expovariate(1) * 20 * MB)
        return largest

    return step


def shaken(shake):
    return lambda hour: BASE + shake()


def stairs(*hours):
    return lambda hour: BASE + sum(60 * MB for at in hours if hour >= at)


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param(shaken(noise(2, 20 * MB)), id="noise"),
        pytest.param(shaken(ar1(3)), id="a slow drift to and fro"),
        pytest.param(lambda hour: BASE + 300 * MB * (1 - math.exp(-hour / 2)), id="a cache that fills in two hours"),
        pytest.param(lambda hour: BASE + 300 * MB * (1 - math.exp(-hour / 6)), id="a cache that fills in six hours"),
        pytest.param(lambda hour: BASE + 300 * MB * (1 - math.exp(-hour / 20)), id="a cache that fills in a day"),
        pytest.param(lambda hour: BASE + 50 * MB * math.sin(hour * math.tau / 24), id="a day's rhythm"),
        pytest.param(lambda hour: BASE + 90 * MB * (hour % 3) / 3, id="a saw-tooth of three hours"),
        pytest.param(lambda hour: BASE + 90 * MB * (hour % 24) / 24, id="a log rotated each day"),
        pytest.param(shaken(record(4)), id="an allocator that keeps its largest"),
        pytest.param(stairs(24), id="a new level after a day"),
        pytest.param(stairs(9, 30), id="two new levels"),
        pytest.param(lambda hour: BASE + 0.2 * MB * hour, id="too slow to matter"),
        pytest.param(lambda hour: BASE - 5 * MB * hour / 2, id="shrinking"),
        pytest.param(lambda hour: BASE, id="flat"),
    ],
)
def test_what_only_looks_like_growth_is_none(figure):
    assert growth(figure) is None


def test_growth_beneath_a_saw_tooth_is_found_on_the_envelope():
    found = growth(lambda hour: BASE + 2 * MB * hour + 90 * MB * ((hour / 1.7) % 1))
    assert found.rate == pytest.approx(2 * MB, rel=0.1)


@pytest.mark.parametrize(("rate", "every"), [(6, 3.0), (1.5, 3.2)])
def test_a_slow_saw_tooth_is_seen_past_by_longer_stretches(rate, every):
    """Three hours of rise in stretches of one and a quarter, and of two and a half: the tenth percentile of each is anywhere."""
    found = growth(lambda hour: BASE + rate * MB * hour + 45 * MB * ((hour / every) % 1), hours=30)
    assert found.rate == pytest.approx(rate * MB, rel=0.1)


@pytest.mark.parametrize(
    ("figure", "named"),
    [
        pytest.param(lambda hour: BASE + 50 * MB * hour, True, id="a leak"),
        pytest.param(lambda hour: BASE + 400 * MB * (1 - 2 ** (-hour / 2)), False, id="a cache that fills"),
        pytest.param(lambda hour: BASE + 400 * MB * (1 - 2 ** (-hour / 13)), False, id="a cache that fills slowly"),
        pytest.param(stairs(2, 5), False, id="new levels"),
        pytest.param(lambda hour: BASE + 90 * MB * (hour % 3) / 3, False, id="a saw-tooth"),
    ],
)
def test_early_only_what_is_straight_is_growth(figure, named):
    times, figures = series(figure, hours=7.5, every=60)
    assert (steady_growth(times, figures, 0.0, EARLY) is not None) is named
    assert steady_growth(times, figures, 0.0) is None


def test_less_than_a_day_says_nothing_however_straight_it_is():
    assert growth(lambda hour: BASE + 5 * MB * hour, hours=25) is None
    assert growth(lambda hour: BASE + 5 * MB * hour, hours=27) is not None


def test_a_young_process_has_its_warm_up_left_out():
    """200 MB of imports in the first two hours, then 2 MB an hour: the rate is the leak's."""
    found = growth(lambda hour: BASE + 100 * MB * min(hour, 2) + 2 * MB * hour, born_s=0.0)
    assert found.rate == pytest.approx(2 * MB, rel=0.05)


def test_unknown_figures_and_gaps_are_no_zeros():
    times, figures = series(lambda hour: BASE + 4 * MB * hour)
    figures = [UNKNOWN if index % 7 == 0 else figure for index, figure in enumerate(figures)]
    del times[200:260], figures[200:260]
    assert steady_growth(times, figures, -1e6).rate == pytest.approx(4 * MB, rel=0.03)
    assert steady_growth(times, [UNKNOWN] * len(times), -1e6) is None


def test_nothing_recorded_is_nothing_found():
    assert steady_growth([], [], 0.0) is None
    assert steady_growth([0.0], [5], 0.0) is None


def test_the_envelope_is_the_tenth_percentile_of_each_stretch():
    points = envelope([float(n) for n in range(20)], list(range(20)), 0, 10.0)
    assert [point.low for point in points] == [1, 11]
    assert points[0].at_s == 5.0
    assert points[-1].at_s <= 19.0
