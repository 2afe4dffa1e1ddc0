"""The checker of what a store did is itself checked: a good history passes, and each way to break one is told."""

from __future__ import annotations

import pytest
from tests.faults.witness import BUDGET, ClockSet, Ended, Event, Fenced, Put, Started, faults

from oakum.model.ids import id_text
from oakum.model.job import JobView, State

A, B, C, D = (bytes([n]) * 16 for n in (1, 2, 3, 4))
DONE = State.COMPLETED
GOOD: list[Event] = [
    Put(A, "q", (0, 1), "k"), Put(B, "q", (0, 2), "k"), Put(C, "q", (0, 3)),
    Started(A, 1, 1), Started(C, 1, 1), Ended(C, 1, 1, State.AVAILABLE, charged=True), Fenced(1),
    Ended(A, 1, 1, State.AVAILABLE), Started(A, 2, 2), Ended(A, 1, 1, DONE, in_time=False),
    Started(C, 2, 2), Ended(A, 2, 2, DONE), Started(B, 1, 2), Ended(C, 2, 2, DONE), Ended(B, 1, 2, DONE),
]  # fmt: skip


def row(job: bytes, state: State = DONE) -> JobView:
    return JobView(job, "t", "q", state, 0, 0, 0, None, None, 0, 0, 0, 1, b"p")


ROWS = [row(A), row(B), row(C)]


def test_a_good_history_has_no_faults() -> None:
    assert faults(GOOD, ROWS) == []


@pytest.mark.parametrize(
    ("history", "rows", "says"),
    [
        pytest.param(GOOD, [row(A), row(C)], [f"{id_text(B)}: acknowledged, and not in the store"], id="lost"),
        pytest.param(GOOD, [*ROWS, row(D, State.CANCELLED)], [f"{id_text(D)}: nobody enqueued it"], id="phantom"),
        pytest.param([Started(A, 1, 1)], [], [f"{id_text(A)}: nobody enqueued it"], id="phantom that ran"),
        pytest.param(GOOD, [*ROWS, row(A)], [f"{id_text(A)}: 2 rows"], id="two rows"),
        pytest.param(
            GOOD[:3], [row(A, State.CANCELLED), row(B, State.CANCELLED), row(C, State.RUNNING)],
            [f"{id_text(C)}: never ended, is running"], id="never ended",
        ),
        pytest.param(
            [Put(A, "q", None), Started(A, 1, 1), Ended(A, 1, 1, DONE), Started(A, 2, 1), Ended(A, 2, 1, DONE)], [row(A)],
            [f"{id_text(A)}: started after its end", f"{id_text(A)}: settled 2 times",
             f"{id_text(A)}: completed, and no worker settled it"], id="settled twice",
        ),
        pytest.param(
            [Put(A, "q", None), Started(A, 1, 1), Ended(A, 1, 7, DONE)], [row(A)],
            [f"{id_text(A)}: settled by 7, which did not have it"], id="settled by another",
        ),
        pytest.param(
            [Put(A, "q", None)], [row(A)], [f"{id_text(A)}: completed, and no worker settled it"], id="settled by nobody"
        ),
        pytest.param(
            [Put(A, "q", None), Started(A, 1, 1), Started(A, 2, 2), Ended(A, 2, 2, DONE)], [row(A)],
            [f"{id_text(A)}: two valid leases at once"], id="overlapping leases",
        ),
        pytest.param(
            [Put(A, "q", None), Started(A, 1, 1), Fenced(1), Started(A, 2, 2), Ended(A, 2, 2, DONE)], [row(A)],
            [f"{id_text(A)}: started again before anybody gave it back"], id="taken without leave",
        ),
        pytest.param(
            [Put(A, "q", None), Started(A, 1, 1), Ended(A, 1, 1, State.AVAILABLE), Started(A, 1, 2), Ended(A, 1, 2, DONE)],
            [row(A)], [f"{id_text(A)}: token 1 after 1"], id="token used again",
        ),
        pytest.param(
            [Put(A, "q", None)] + [
                each for n in range(1, BUDGET + 2)
                for each in (Started(A, n, 1), Ended(A, n, 1, DONE if n > BUDGET else State.AVAILABLE, charged=True))
            ],
            [row(A)], [f"{id_text(A)}: started too often: {BUDGET + 1} starts were charged to it"], id="too many starts",
        ),
        pytest.param(
            [*GOOD[:3], Started(A, 1, 1), Started(B, 1, 1), Ended(A, 1, 1, DONE), Ended(B, 1, 1, DONE)],
            [row(A), row(B), row(C, State.CANCELLED)], [f"{id_text(B)}: started beside {id_text(A)} of its key"],
            id="two of one key",
        ),
        pytest.param(
            [*GOOD[:3], Started(B, 1, 1), Ended(B, 1, 1, DONE), Started(A, 1, 1), Ended(A, 1, 1, DONE)],
            [row(A), row(B), row(C, State.CANCELLED)], [f"{id_text(B)}: started before {id_text(A)}, which came first"],
            id="key out of order",
        ),
        pytest.param(
            [Put(A, "q", (0, 1)), Put(C, "q", (0, 1)), Started(C, 1, 1), Started(A, 1, 1), Ended(A, 1, 1, DONE), Ended(C, 1, 1, DONE)],
            [row(A), row(C)], [f"{id_text(C)}: started before {id_text(A)}, which came first"], id="queue out of order",
        ),
    ],
)  # fmt: skip
def test_what_must_not_be_is_told(history: list[Event], rows: list[JobView], says: list[str]) -> None:
    assert faults(history, rows) == says


def test_order_is_not_judged_across_a_clock_that_was_set() -> None:
    history = [
        Put(A, "q", (0, 1)), ClockSet(), Put(C, "q", (0, 1)),
        Started(C, 1, 1), Started(A, 1, 1), Ended(A, 1, 1, DONE), Ended(C, 1, 1, DONE),
    ]  # fmt: skip
    assert faults(history, [row(A), row(C)]) == []
