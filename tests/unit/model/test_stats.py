"""What is measured of a task: merged without loss, kept in a few hundred bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oakum.model.stats import TaskStats

RUNS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 1 << 40), st.booleans()), max_size=50)


def stats_of(runs: list[tuple[int, int, bool]]) -> TaskStats:
    stats = TaskStats()
    for duration_us, peak, failed in runs:
        stats.runs += 1
        stats.failures += failed
        stats.retained += peak // 1000
        stats.retained_runs += 1
        stats.duration.add(duration_us)
        stats.peak.add(peak)
    return stats


@given(RUNS)
def test_stats_are_read_back_as_they_were(runs: list[tuple[int, int, bool]]) -> None:
    stats = stats_of(runs)
    assert TaskStats.decode(stats.encode()).encode() == stats.encode()


@given(RUNS, RUNS)
def test_two_workers_measurements_add_up(one: list[tuple[int, int, bool]], other: list[tuple[int, int, bool]]) -> None:
    merged = stats_of(one)
    merged.merge(stats_of(other))
    assert merged.encode() == stats_of(one + other).encode()


def test_what_a_run_leaves_behind_is_a_mean_of_the_runs_where_it_was_taken() -> None:
    stats = TaskStats()
    assert stats.retained_per_run == 0.0
    stats.runs, stats.retained, stats.retained_runs = 100, 50, 20
    assert stats.retained_per_run == 2.5


def test_stats_stay_small_however_many_runs() -> None:
    stats = TaskStats()
    for _ in range(20):
        stats.merge(stats_of([(number**5, number**7, False) for number in range(500)]))
    assert stats.runs == 10_000
    assert len(stats.encode()) < 4096
