"""A worker has one offer at a time, and believes no word of another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from oakum.errors import StoreError
from oakum.model.job import Claimed
from oakum.run.worker.offers import Offers
from oakum.store.base import Given, Instant, Want
from oakum.store.memory.store import MemoryStore

NOW = Instant(1, 1)
JOB = Claimed(7, b"id", "t", "default", b"", 1)
WANT = Want(3, ("default",), {"t": 1}, 100, 10)


class Offering:
    """A store that notes what it is offered, and gives what it is told to."""

    def __init__(self) -> None:
        self.offered: list[Want] = []
        self.words: list[Given | None] = []
        self.taken: list[Claimed] = []
        self.broken = False

    def offer(self, want: Want, now: Instant) -> None:
        self.offered.append(want)
        self._fail()

    def given(self) -> Sequence[Given | None]:
        return self.words

    def withdraw(self, holder: int, turn: int) -> Sequence[Claimed]:
        self._fail()
        return self.taken

    def _fail(self) -> None:
        if self.broken:
            raise StoreError("away")


@pytest.fixture
def store() -> Offering:
    return Offering()


@pytest.fixture
def offers(store: Offering) -> Offers:
    return Offers(store)  # type: ignore[arg-type]  # the part of a store that offers are made to


def test_an_offer_that_stands_is_not_left_again(store, offers):
    offers.leave(WANT, NOW)
    offers.leave(WANT, NOW)
    assert store.offered == [WANT]
    offers.end()
    offers.leave(WANT, NOW)
    assert len(store.offered) == 2


def test_word_of_the_present_turn_brings_the_job_and_ends_the_turn(store, offers):
    offers.leave(WANT, NOW)
    store.words = [Given(offers.turn, JOB)]
    assert offers.hear() == ([JOB], False)
    assert not offers.stands
    assert offers.hear() == ([], True), "the same word again is a mere ring"


@pytest.mark.parametrize("ahead", [-1, 1])
def test_word_of_another_turn_is_a_mere_ring(store, offers, ahead):
    offers.leave(WANT, NOW)
    store.words = [Given(offers.turn + ahead, JOB)]
    assert offers.hear() == ([], True)
    assert offers.stands


def test_word_counts_for_nothing_where_no_offer_stands(store, offers):
    store.words = [Given(offers.turn, JOB)]
    assert offers.hear() == ([], True)


def test_a_ring_beside_the_word_asks_for_a_look(store, offers):
    offers.leave(WANT, NOW)
    store.words = [None, Given(offers.turn, JOB)]
    assert offers.hear() == ([JOB], True)


def test_after_a_failure_the_offer_may_stand(store, offers):
    """Its job would be lost if word of it were not believed."""
    store.broken = True
    with pytest.raises(StoreError):
        offers.leave(WANT, NOW)
    assert offers.stands
    with pytest.raises(StoreError):
        offers.withdraw(3)
    assert offers.stands
    store.words = [Given(offers.turn, JOB)]
    assert offers.hear() == ([JOB], False)


def test_what_is_withdrawn_brings_what_was_given_and_word_of_it_comes_too_late(store, offers):
    offers.leave(WANT, NOW)
    store.words, store.taken = [Given(offers.turn, JOB)], [JOB]
    assert offers.withdraw(3) == [JOB]
    assert offers.hear() == ([], True)
    assert offers.withdraw(3) == [], "there is nothing to withdraw"


def test_a_store_without_offers_is_only_rung_for():
    offers = Offers(MemoryStore())
    offers.leave(WANT, NOW)
    assert not offers.stands
    assert offers.hear() == ([], True)
    assert offers.withdraw(3) == []
