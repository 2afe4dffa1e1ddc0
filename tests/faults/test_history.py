"""The checker of histories is itself checked: a good history passes, and each way to break one is told."""

from __future__ import annotations

import pytest
from tests.faults.history import Kept, Run, faults

from oakum.model.job import State

GOOD_RUNS = [Run("a", 1, 10, 20), Run("b", 1, 10, None), Run("b", 2, 30, 40), Run("c", 1, 15, 25)]
GOOD_ROWS = [
    Kept("a", State.COMPLETED, 1, 1),
    Kept("b", State.COMPLETED, 2, 1),
    Kept("c", State.FAILED, 1, 0),
    Kept("d", State.CANCELLED, 0, 0),
]


def test_a_good_history_has_no_faults() -> None:
    assert faults("abcd", GOOD_RUNS, GOOD_ROWS) == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Kept("x", State.RUNNING, 1, 0), "x: never ended, is running"),
        (Kept("x", State.SCHEDULED, 1, 0), "x: never ended, is scheduled"),
        (Kept("x", State.COMPLETED, 1, 2), "x: settled as completed 2 times"),
        (Kept("x", State.COMPLETED, 1, 0), "x: is completed with 0 completed starts"),
        (Kept("x", State.FAILED, 1, 1), "x: is failed with 1 completed starts"),
        (Kept("x", State.COMPLETED, 2, 1), "x: completed by start 2, which never came to its end"),
        (Kept("x", State.CANCELLED, 0, 0), "x: start 1 ran, and the store knows of 0"),
    ],
)
def test_a_row_that_must_not_be_is_told(row: Kept, says: str) -> None:
    assert says in faults("x", [Run("x", 1, 10, 20)], [row])


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([Run("x", 2, 10, None)], "x: completed by start 2, which never came to its end"),
        ([Run("x", 2, 10, 20), Run("x", 2, 30, 40)], "x: start 2 was run 2 times"),
        ([Run("x", 1, 10, 20), Run("x", 2, 15, 40)], "x: starts 1 and 2 ran at the same time"),
        ([Run("x", 2, 10, 20), Run("x", 1, 30, 40)], "x: start 1 began after start 2"),
    ],
)
def test_runs_that_must_not_be_are_told(runs: list[Run], says: str) -> None:
    assert faults("x", runs, [Kept("x", State.COMPLETED, 2, 1)]) == [says]


def test_a_lost_job_an_invented_one_and_a_double_one_are_told() -> None:
    row = Kept("d", State.CANCELLED, 0, 0)
    assert faults("xd", [], [row]) == ["x: acknowledged, and not in the store"]
    assert faults("", [], [row]) == ["d: in the store, and nobody enqueued it"]
    assert faults("d", [], [row, row]) == ["d: 2 rows"]
