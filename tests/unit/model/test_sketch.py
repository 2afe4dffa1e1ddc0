"""The sketch: quantiles to 5 %, whatever was added, in whatever parts; bounded; and it forgets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.model.sketch import MEMORY, Sketch

VALUES = st.lists(st.integers(0, 1 << 48), min_size=1, max_size=200)
SHARES = st.sampled_from((0.0, 0.25, 0.5, 0.95, 0.99))
MOST_BUCKETS = 351


def sketch_of(values: list[int]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(VALUES, SHARES)
def test_a_quantile_is_within_5_percent(values: list[int], share: float) -> None:
    exact = sorted(values)[math.floor(share * (len(values) - 1))]
    assert sketch_of(values).quantile(share) == pytest.approx(exact, rel=0.05, abs=0.5)


@given(VALUES)
def test_what_is_exact(values: list[int]) -> None:
    sketch = sketch_of(values)
    assert (sketch.count, sketch.total, sketch.largest) == (len(values), sum(values), max(values))
    assert sketch.quantile(1.0) == max(values)
    assert sketch.mean == pytest.approx(sum(values) / len(values))


@given(VALUES)
def test_quantiles_rise(values: list[int]) -> None:
    sketch = sketch_of(values)
    quantiles = [sketch.quantile(share / 20) for share in range(21)]
    assert quantiles == sorted(quantiles)


@given(VALUES, VALUES)
def test_two_sketches_merged_are_one_sketch_of_both(one: list[int], other: list[int]) -> None:
    merged = sketch_of(one)
    merged.merge(sketch_of(other))
    assert merged.pack() == sketch_of(one + other).pack()


@given(VALUES)
def test_packing_keeps_everything(values: list[int]) -> None:
    sketch = sketch_of(values)
    again = Sketch.unpack(sketch.pack())
    assert again.pack() == sketch.pack()
    assert again.count == sketch.count


def test_nothing_has_no_quantile() -> None:
    assert (Sketch().quantile(0.5), Sketch().quantile(1.0), Sketch().mean) == (0.0, 0.0, 0.0)


def test_the_buckets_are_bounded_and_in_order() -> None:
    sketch = sketch_of([0] + [round(1.05**power) for power in range(800)])
    assert len(sketch.buckets) <= MOST_BUCKETS
    assert max(sketch.buckets) < MOST_BUCKETS
    assert sketch.largest == 1 << 48


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=20), st.integers(1, 40))
def test_however_much_there_is_little_is_remembered(values: list[int], thousands: int) -> None:
    many = sketch_of(values)
    many.buckets = {bucket: count * thousands * 1000 for bucket, count in many.buckets.items()}
    many.count *= thousands * 1000
    many.total *= thousands * 1000
    sketch = Sketch()
    sketch.merge(many)
    assert MEMORY // 4 <= sketch.count <= MEMORY or sketch.count == many.count
    assert sketch.count == sum(sketch.buckets.values())
    for share in (0.0, 0.5, 0.95):  # every value is as frequent as before
        assert sketch.quantile(share) == pytest.approx(many.quantile(share), rel=0.25)
    assert sketch.mean == pytest.approx(many.mean, rel=0.01)


def test_a_rare_peak_is_forgotten_in_time() -> None:
    sketch = sketch_of([1 << 40])
    usual = sketch_of([1000] * MEMORY)
    sketch.merge(usual)
    assert sketch.largest == pytest.approx(1000, rel=0.1)
    assert sketch.quantile(1.0) == pytest.approx(1000, rel=0.1)


def test_a_peak_that_comes_again_and_again_is_not() -> None:
    sketch = Sketch()
    for _ in range(10):
        sketch.merge(sketch_of([1000] * (MEMORY // 2) + [1 << 40] * 50))
    assert sketch.largest == pytest.approx(1 << 40, rel=0.1)
