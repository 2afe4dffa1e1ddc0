"""Columns that stay as long as their ticks, and unknown that is never zero."""

from __future__ import annotations

from oakum.watch.series import Series
from oakum.watch.tables import UNKNOWN


def test_columns_are_as_long_as_ticks_whatever_is_given() -> None:
    series = Series("x")
    series.extend([0, 1], {"rss": [5, 6]})
    series.extend([2], {"cpu_ms": [9]})
    series.extend([3], {"rss": [7], "cpu_ms": [10]})
    assert list(series.columns["rss"]) == [5, 6, UNKNOWN, 7]
    assert list(series.columns["cpu_ms"]) == [UNKNOWN, UNKNOWN, 9, 10]
    assert [series.at("rss", index) for index in range(4)] == [5, 6, None, 7]
    assert series.last("rss") == 7
    assert (series.column("fds"), series.last("fds")) == (None, None)


def test_low_and_high_are_the_figure_itself_where_nothing_was_thinned() -> None:
    series = Series("x")
    series.extend([0], {"rss": [5], "rss.low": [2], "rss.high": [9]})
    series.extend([1, 2], {"rss": [6, 7]})
    assert list(series.low("rss") or ()) == [2, 6, 7]
    assert list(series.high("rss") or ()) == [9, 6, 7]


def test_thinned_samples_after_whole_ones() -> None:
    series = Series("x")
    series.extend([0], {"rss": [5]})
    series.extend([1], {"rss": [6], "rss.low": [1]})
    assert list(series.low("rss") or ()) == [5, 1]
    assert list(series.high("rss") or ()) == [5, 6]
