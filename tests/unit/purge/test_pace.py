"""The size of the next batch and the waits between."""

from itertools import accumulate

import pytest

from oakum.purge.pace import learn_cost, next_size, pause_after, retry_delay
from oakum.purge.target import Batch


def test_a_batch_that_was_quick_is_doubled():
    assert next_size(1000, 1e-6, 0.25, 20_000) == 2000


def test_a_batch_aims_at_a_quarter_of_the_longest_lock():
    assert next_size(1000, 1e-4, 0.25, 20_000) == 625


def test_a_slow_batch_is_cut_to_a_quarter_at_most():
    assert next_size(1000, 0.1, 0.25, 20_000) == 250


def test_a_batch_of_one_row_stays_one_row_however_slow():
    assert next_size(1, 100.0, 0.25, 20_000) == 1


def test_the_largest_batch_is_a_bound():
    assert next_size(20_000, 1e-9, 0.25, 20_000) == 20_000


def test_before_anything_is_known_the_size_stays():
    assert next_size(1000, 0.0, 0.25, 20_000) == 1000


def test_a_slower_batch_counts_at_once_and_a_quicker_one_by_a_quarter():
    assert learn_cost(0.0, Batch(1000, 0.1)) == pytest.approx(1e-4)
    assert learn_cost(1e-4, Batch(1000, 0.4)) == pytest.approx(4e-4)
    assert learn_cost(4e-4, Batch(1000, 0.0)) == pytest.approx(3e-4)


def test_a_batch_that_deleted_nothing_teaches_nothing():
    assert learn_cost(1e-4, Batch(0, 5.0)) == 1e-4


@pytest.mark.parametrize("rows_per_second", [50, 3_000, 400_000])
def test_locks_settle_below_the_limit_whatever_the_speed(rows_per_second):
    size, cost = 1000, 0.0
    for _ in range(12):
        cost = learn_cost(cost, Batch(size, size / rows_per_second))
        size = next_size(size, cost, 0.25, 1_000_000)
    assert 0.15 * 0.25 < size / rows_per_second <= 0.25 * 0.25


@pytest.mark.parametrize("milliseconds", [0, 1, 5, 17, 40, 62, 99, 130, 250, 1000])
def test_who_is_shut_out_whenever_he_came_looks_while_the_door_is_open(milliseconds):
    """SQLite's own steps, as https://sqlite.org/src/file/src/main.c has them."""
    pause = pause_after(Batch(1, milliseconds / 1000, shuts_out=True)) * 1000
    for waited in range(1, milliseconds + 1):  # when the lock is given back
        looks = list(accumulate([0, 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, *[100] * 9]))
        assert any(waited <= look <= waited + pause + 1e-6 for look in looks)
    assert (pause > 0) == (milliseconds > 0)


def test_who_waits_for_a_row_gets_a_share_of_the_lock():
    assert pause_after(Batch(1, 0.1)) == pytest.approx(0.002)


def test_time_that_others_have_had_since_the_lock_is_no_part_of_the_pause():
    pause = pause_after(Batch(1, 0.1, shuts_out=True))
    assert pause_after(Batch(1, 0.1, shuts_out=True, free=0.01)) == pytest.approx(pause - 0.01)
    assert pause_after(Batch(1, 0.1, shuts_out=True, free=1.0)) == 0.0


def test_retries_wait_longer_each_time_up_to_two_seconds():
    delays = [retry_delay(tries) for tries in range(1, 13)]
    assert delays == sorted(delays)
    assert delays[0] == pytest.approx(0.1)
    assert delays[-1] == 2.0
