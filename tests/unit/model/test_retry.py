"""When a failed job is tried again: so often, so much later each time, and never beyond a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.model.retry import LONGEST_DELAY_S, NEVER, RetryRule


def test_delays_grow_by_the_factor_up_to_the_largest() -> None:
    rule = RetryRule(count=6, delay_s=1, factor=3, max_delay_s=60, jitter=0)
    assert [rule.delay(tries, 0.5) for tries in range(1, 8)] == [1, 3, 9, 27, 60, 60, None]


def test_never_means_never() -> None:
    assert NEVER.delay(1, 0.0) is None


@pytest.mark.parametrize(("luck", "seconds"), [(0.0, 80), (0.5, 100), (0.75, 110)])
def test_jitter_spreads_to_both_sides(luck: float, seconds: float) -> None:
    assert RetryRule(1, delay_s=100, jitter=0.2).delay(1, luck) == pytest.approx(seconds)


def test_no_delay_is_a_delay() -> None:
    assert RetryRule(1, delay_s=0).delay(1, 0.9) == 0


@given(
    rule=st.builds(
        RetryRule,
        count=st.integers(0, 10**6),
        delay_s=st.floats(0, 1e9),
        factor=st.floats(1, 1e300),
        max_delay_s=st.floats(0, 1e9),
        jitter=st.floats(0, 1),
    ),
    tries=st.integers(1, 10**6),
    luck=st.floats(0, 1, exclude_max=True),
)
def test_whatever_the_rule_a_delay_is_bounded(rule: RetryRule, tries: int, luck: float) -> None:
    delay = rule.delay(tries, luck)
    if tries > rule.count:
        assert delay is None
    else:
        assert delay is not None
        assert 0 <= delay <= min(rule.max_delay_s, LONGEST_DELAY_S) * (1 + rule.jitter)


@given(st.integers(1, 200), st.floats(1, 10))
def test_a_later_try_never_comes_sooner(tries: int, factor: float) -> None:
    rule = RetryRule(1000, factor=factor, jitter=0)
    assert (rule.delay(tries, 0.5) or 0) <= (rule.delay(tries + 1, 0.5) or 0)
