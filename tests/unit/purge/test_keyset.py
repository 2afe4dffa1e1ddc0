"""The walk along a key: every row once, from wherever it starts."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from oakum.clock import FakeClock
from oakum.errors import UsageError
from oakum.purge import Options
from oakum.purge.keyset import KeyRanges


class Numbers:
    """Rows that are their own key; `others` says whether the table has rows that do not match."""

    label, key, shuts_out = "numbers of memory", ("n",), False

    def __init__(self, rows, others=True, loads=False):
        self.rows, self.others, self.loads, self.looks = set(rows), others, loads, 0

    def count(self):
        return len(self.rows)

    def has_others(self):
        return self.others

    def _between(self, after, upto):
        return sorted(n for n in self.rows if (after is None or n > after[0]) and (upto is None or n <= upto[0]))

    def upto(self, after, until, size):
        self.looks += 1
        found = self._between(after, until)[:size]
        return (found[-1],) if found else None

    def delete(self, after, upto, lock):
        lock.taken()
        gone = self._between(after, upto)
        self.rows.difference_update(gone)
        lock.given_back()
        return len(gone)


def take(ranges, size):
    """Deletes to the end: how many rows each batch took."""
    taken = []
    while batch := ranges.delete(size):
        taken.append(batch.rows)
    return taken


@given(some.sets(some.integers()), some.integers(1, 7))
def test_every_row_goes_once_in_batches_of_the_size_at_most(rows, size):
    taken = take(KeyRanges(Numbers(rows), Options(clock=FakeClock())), size)
    assert sum(taken) == len(rows)
    assert max(taken, default=0) <= size


@given(some.sets(some.integers()), some.integers(1, 7))
def test_rows_that_are_loaded_are_always_looked_at_first(rows, size):
    taken = take(KeyRanges(Numbers(rows, loads=True), Options(clock=FakeClock())), size)
    assert all(count == size for count in taken[:-1])


def test_keys_without_gaps_are_not_read_before_they_go():
    numbers = Numbers(range(1000))
    assert sum(take(KeyRanges(numbers, Options(clock=FakeClock())), 10)) == 1000
    assert numbers.looks <= 5


def test_a_gap_in_the_keys_is_passed_in_one_look():
    numbers = Numbers([*range(100), *range(10**12, 10**12 + 100)])
    assert sum(take(KeyRanges(numbers, Options(clock=FakeClock())), 10)) == 200
    assert numbers.looks <= 10


@given(some.sets(some.integers(0, 50), min_size=2), some.integers(1, 7), some.integers(1, 5))
def test_a_walk_that_starts_at_a_kept_position_still_takes_all(tmp_path_factory, rows, size, before):
    position = tmp_path_factory.mktemp("purge") / "position"
    options = Options(clock=FakeClock(), position=position)
    numbers = Numbers(rows)
    first = KeyRanges(numbers, options)
    for _ in range(before):
        if first.delete(size) is None:
            break
    numbers.rows |= set(rows)  # rows before the position match again, as they do when the cutoff has moved on
    take(KeyRanges(numbers, options), size)
    assert numbers.rows == set()
    assert not position.exists()


def test_a_second_run_begins_after_the_kept_position(tmp_path):
    options, numbers = Options(clock=FakeClock(), position=tmp_path / "state" / "position"), Numbers(range(10))
    KeyRanges(numbers, options).delete(4)
    numbers.rows.add(0)
    again = KeyRanges(numbers, options)
    again.delete(3)
    assert numbers.rows == {0, 7, 8, 9}


def test_a_position_of_another_table_is_not_used(tmp_path):
    options, numbers, others = (
        Options(clock=FakeClock(), position=tmp_path / "p"),
        Numbers(range(10)),
        Numbers(range(10)),
    )
    others.label = "others"
    KeyRanges(others, options).delete(8)
    KeyRanges(numbers, options).delete(1)
    assert 0 not in numbers.rows


def test_a_condition_that_matches_every_row_asks_for_all():
    numbers = Numbers(range(3), others=False)
    with pytest.raises(UsageError, match=r"numbers of memory: the condition matches every row; say --all"):
        KeyRanges(numbers, Options())
    assert numbers.count() == 3
    assert take(KeyRanges(numbers, Options(all=True)), 5) == [3]


def test_an_empty_table_asks_for_nothing():
    assert take(KeyRanges(Numbers([], others=False), Options()), 5) == []
