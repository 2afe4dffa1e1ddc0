"""Offers of an SQLite store seen from a test: those that workers have left there, and the words that go to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest
from tests.processes.workers import Workshop

from oakum.store.base import Given
from oakum.store.sqlite.bell import BellTower


class Offer(NamedTuple):
    """A row of the table; `job` is the reference of the job that was given under it, None while it stands."""

    holder: int
    turn: int
    job: int | None


def offers(shop: Workshop) -> list[Offer]:
    """All offers, those left last at the end."""
    with shop.app.store._connection.look() as db:  # type: ignore[attr-defined]  # the file behind the protocol
        return [Offer(*row) for row in db.execute("SELECT holder, turn, seq FROM offer ORDER BY holder")]


def standing(shop: Workshop, number: int = 1) -> list[Offer]:
    """Waits until so many offers stand; which they are."""

    def found() -> list[Offer] | None:
        free = [offer for offer in offers(shop) if offer.job is None]
        return free if len(free) == number else None

    return shop.until(found)


class Words:
    """What this process tells the workers that it gives jobs to. `first` is called between a job's commit and its word."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[Given | None] = []  # None: a mere ring, for one alone
        self.first: Callable[[], object] = lambda: None
        tell = BellTower.tell

        def listen(tower: BellTower, bell: str, word: bytes) -> bool:
            self.said.append(msgspec.msgpack.decode(word, type=Given) if word else None)
            self.first()
            return tell(tower, bell, word)

        monkeypatch.setattr(BellTower, "tell", listen)

    @property
    def given(self) -> list[bytes]:
        """The ids of the jobs that were given with a word, in their order."""
        return [each.job.id for each in self.said if each is not None]
