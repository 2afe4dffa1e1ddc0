"""A store that is not there yet is waited for, ever more patiently, but not for ever."""

from __future__ import annotations

import pytest

from oakum.errors import CannotRun, StoreAway, StoreTooNew
from oakum.run.worker.reach import FIRST_S, LONGEST_S, PATIENCE_S, await_store


class Away:
    """A store that answers after so many attempts."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error = times, error

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            raise self.error


def test_it_is_waited_for_and_told_once() -> None:
    said: list[str] = []
    pauses: list[float] = []
    assert await_store(Away(8, StoreAway("down")), lambda pause: pauses.append(pause) or True, said.append)
    assert said == ["oakum worker: waits for its store: down"]
    assert pauses == [FIRST_S, 1.0, 2.0, 4.0, 8.0, LONGEST_S, LONGEST_S, LONGEST_S]


def test_who_is_told_to_stop_waits_no_longer() -> None:
    assert not await_store(Away(99, StoreAway("down")), lambda _: False, lambda _: None)


def test_it_is_not_waited_for_for_ever() -> None:
    pauses: list[float] = []
    with pytest.raises(CannotRun, match="no answer from the store for 5m 00s: down"):
        await_store(Away(999, StoreAway("down")), lambda pause: pauses.append(pause) or True, lambda _: None)
    assert PATIENCE_S <= sum(pauses) < PATIENCE_S + LONGEST_S


def test_what_waiting_does_not_mend_is_told_at_once() -> None:
    with pytest.raises(StoreTooNew):
        await_store(Away(1, StoreTooNew("newer")), lambda _: True, lambda _: None)
