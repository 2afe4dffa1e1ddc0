"""Counters to rates: windows, thinning, clocks that jump, forecasts."""

from __future__ import annotations

import itertools

import pytest

from oakum.model.capacity import MOST_FLOWS, Counted, History, Pace, Sample, Served, busiest, full_in_s

NOON_MS = 1_767_268_800_000


def at(seconds: float, arrived: int = 0, ended: int = 0, busy_s: float = 0.0, used: int = 0) -> Sample:
    """A sample of one task in one queue, that many seconds after noon."""
    flow = Counted("q", "t", arrived, ended, arrived - ended, 10 * (arrived - ended))
    return Sample(NOON_MS + int(seconds * 1000), (flow,), {"t": Served(ended, int(busy_s * 1e6))}, used)


def steady(until_s: int, every_s: int = 5, arrivals: float = 2.0, endings: float = 1.0, mean_s: float = 0.5) -> History:
    """A history of a steady stream."""
    history = History()
    for now in range(0, until_s + 1, every_s):
        ended = int(now * endings)
        history.add(at(now, int(now * arrivals), ended, ended * mean_s, used=now * 100))
    return history


def only(history: History) -> Pace:
    (pace,) = history.paces()
    return pace


def test_rates_are_differences():
    pace = only(steady(60))
    assert (pace.arrivals, pace.endings, pace.mean_s, pace.window_s) == (2.0, 1.0, 0.5, 60.0)
    assert (pace.offered, pace.growth, pace.drain_s) == (1.0, 1.0, None)


def test_a_queue_that_shrinks_is_empty_some_day():
    history = History([at(0, 100, 0), at(10, 110, 30, 3.0)])
    assert only(history).drain_s == pytest.approx(80 / 2.0)


def test_nothing_is_said_of_one_sample():
    assert History([at(0, 5, 5)]).paces() == []
    assert History().used_growth() is None


def test_a_task_that_has_not_run_has_no_mean():
    pace = only(History([at(0, 0), at(10, 50)]))
    assert (pace.mean_s, pace.offered, pace.endings) == (None, 0.0, 0.0)


def test_a_busy_task_is_judged_by_the_last_minute_a_rare_one_by_more():
    history = steady(1800, arrivals=2.0, endings=2.0)
    assert only(history).window_s == 60.0
    rare = steady(1800, arrivals=0.01, endings=0.01)
    assert only(rare).window_s > 1000


def test_what_changed_a_minute_ago_is_forgotten():
    history = steady(600, mean_s=0.1, endings=2.0)
    for now in range(605, 671, 5):
        history.add(at(now, 2 * now, 2 * now, 600 * 2 * 0.1 + (now - 600) * 2 * 0.3))
    assert only(history).mean_s == pytest.approx(0.3)


def test_days_of_samples_stay_few_and_reach_back():
    history = steady(4 * 86400, every_s=60)
    assert len(history.samples) < 140
    age_s = (history.samples[-1].at_ms - history.samples[0].at_ms) / 1000
    assert 165_000 < age_s <= 172_800
    gaps = [(later.at_ms - earlier.at_ms) // 1000 for earlier, later in itertools.pairwise(history.samples)]
    assert max(gaps) <= 3660


def test_five_second_samples_become_minutes_and_then_hours():
    history = steady(3 * 3600)
    ages = [(history.samples[-1].at_ms - each.at_ms) / 1000 for each in history.samples]
    assert len([age for age in ages if age <= 120]) == 25
    assert len([age for age in ages if 120 < age <= 3600]) == pytest.approx(58, abs=2)


def test_a_clock_set_back_drops_the_future():
    history = steady(60)
    history.add(at(30, 60, 30, 15.0))
    assert [each.at_ms for each in history.samples] == [NOON_MS + 1000 * s for s in (0, 5, 10, 15, 20, 25, 30)]


def test_counters_of_another_store_make_no_negative_rates():
    history = steady(60)
    history.add(at(65, 3, 1, 0.5))
    assert history.paces() == []


def test_a_history_survives_its_bytes_and_a_foreign_one_is_empty():
    history = steady(60)
    assert History.decode(history.encode()).samples == history.samples
    assert History.decode(None).samples == []
    assert History.decode(b"\x93\x01\x02\x03").samples == []


def test_the_growth_of_the_store_is_over_the_last_hour():
    assert steady(7200).used_growth() == pytest.approx(100.0)


def test_a_sample_takes_the_fullest_and_the_busiest():
    flows = [Counted("q", f"t{n}", n, n, 0, 0) for n in range(100)] + [Counted("q", "full", 5, 0, 5, 0)]
    taken = busiest(flows)
    assert len(taken) == MOST_FLOWS
    assert [each.task for each in taken[:2]] == ["full", "t99"]


def test_a_forecast_is_a_straight_line():
    assert full_in_s(40, 100, 2.0) == 30.0
    assert full_in_s(140, 100, 2.0) == 0.0
    assert full_in_s(40, 100, 0.0) is None
