"""How long a batch holds its locks."""

import pytest

from oakum.purge.lock import LockTime


def test_it_begins_with_the_first_statement_that_locks_and_ends_with_the_transaction(clock):
    lock = LockTime(clock)
    clock.advance(5)  # looks, and waits for somebody else's lock
    lock.taken()
    clock.advance(0.25)
    lock.taken()
    clock.advance(0.25)
    lock.given_back()
    clock.advance(5)
    assert lock.seconds == pytest.approx(0.5)
    assert lock.free == pytest.approx(5)


def test_a_batch_that_wrote_nothing_held_none(clock):
    lock = LockTime(clock)
    clock.advance(5)
    lock.given_back()
    assert lock.seconds == lock.free == 0.0
