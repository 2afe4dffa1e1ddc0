"""The whole state machine: what each outcome makes of a job, and what no outcome may ever do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.model.job import Claimed, NewJob, Overrides, State
from oakum.model.lifecycle import (
    CANCELLED,
    EXPIRED,
    LARGEST_OVER,
    NOT_AGAIN,
    SUSPECT_DELAY_S,
    Settlement,
    settle,
)
from oakum.model.outcome import (
    Cancelled,
    Completed,
    Expired,
    Failed,
    Lost,
    Outcome,
    OverBudget,
    Record,
    Released,
    Snoozed,
    TimedOut,
    Usage,
    decode_record,
)
from oakum.model.retry import NEVER, RetryRule
from oakum.model.task import TaskSpec

NOW_MS = 1_767_225_600_000
USAGE = Usage(NOW_MS - 5, 5000, 1 << 20)
SPEC = TaskSpec(
    "t",
    retry=(RetryRule(2, delay_s=10, jitter=0), RetryRule(5, delay_s=100, jitter=0)),
    crash_budget=3,
    result_ttl_s=60,
)


def job(
    tries: int = 0, crashes: int = 0, over: int = 0, suspect: bool = False, overrides: Overrides | None = None
) -> Claimed:
    return Claimed(7, b"i" * 16, "t", "q", b"", 4, tries, crashes, over, suspect, overrides)


def judged(start: Claimed, outcome: Outcome, spec: TaskSpec = SPEC, *, may_grow: bool = False) -> Settlement:
    return settle(start, outcome, USAGE, spec, NOW_MS, 0.5, may_grow=may_grow)


# fmt: off
TABLE = [
    # the start                         its outcome                   state after         in seconds       budgets    suspect
    (job(),                             Completed(b"r"),              State.COMPLETED,    None,            (0, 0, 0), False),
    (job(2, 2, 2, suspect=True),        Completed(),                  State.COMPLETED,    None,            (2, 2, 2), False),
    (job(),                             Failed("E"),                  State.SCHEDULED,    10,              (1, 0, 0), False),
    (job(1),                            Failed("E"),                  State.SCHEDULED,    20,              (2, 0, 0), False),
    (job(2),                            Failed("E"),                  State.FAILED,       None,            (3, 0, 0), False),
    (job(2),                            Failed("E", retry=1),         State.SCHEDULED,    400,             (3, 0, 0), False),
    (job(2),                            Failed("E", retry=9),         State.SCHEDULED,    400,             (3, 0, 0), False),
    (job(),                             Failed("E", retry=-1),        State.FAILED,       None,            (1, 0, 0), False),
    (job(overrides=Overrides(retries=9)), Failed("E", retry=-1),      State.FAILED,       None,            (1, 0, 0), False),
    (job(3, overrides=Overrides(retries=4)), Failed("E"),             State.SCHEDULED,    80,              (4, 0, 0), False),
    (job(overrides=Overrides(retries=0)), Failed("E"),                State.FAILED,       None,            (1, 0, 0), False),
    (job(),                             TimedOut(1.0),                State.SCHEDULED,    100,             (1, 0, 0), False),
    (job(5),                            TimedOut(1.0, hard=True),     State.FAILED,       None,            (6, 0, 0), False),
    (job(1, 1, 1),                      Snoozed(30.0),                State.SCHEDULED,    30,              (1, 1, 1), False),
    (job(),                             Snoozed(0.0),                 State.AVAILABLE,    0,               (0, 0, 0), False),
    (job(),                             Cancelled("by hand"),         State.CANCELLED,    None,            (0, 0, 0), False),
    (job(),                             Expired(),                    State.EXPIRED,      None,            (0, 0, 0), False),
    (job(),                             Lost("SIGSEGV"),              State.SCHEDULED,    1,               (0, 1, 0), False),
    (job(crashes=1),                    Lost("SIGSEGV"),              State.SCHEDULED,    2,               (0, 2, 0), False),
    (job(crashes=2),                    Lost("SIGSEGV"),              State.QUARANTINED,  None,            (0, 3, 0), False),
    (job(),                             Lost("reboot", host=True),    State.SCHEDULED,    SUSPECT_DELAY_S, (0, 1, 0), True),
    (job(crashes=2),                    Lost("reboot", host=True),    State.QUARANTINED,  None,            (0, 3, 0), False),
    (job(),                             Released("stopped"),          State.AVAILABLE,    0,               (0, 0, 0), False),
    (job(suspect=True),                 Released("stopped"),          State.AVAILABLE,    0,               (0, 0, 0), True),
    (job(),                             Released("shared", alone=True), State.AVAILABLE,  0,               (0, 0, 0), True),
    (job(),                             OverBudget(2, 1),             State.QUARANTINED,  None,            (0, 0, 1), False),
]
# fmt: on


@pytest.mark.parametrize(("start", "outcome", "state", "seconds", "budgets", "suspect"), TABLE)
def test_what_an_outcome_makes_of_a_job(start, outcome, state, seconds, budgets, suspect) -> None:
    after = judged(start, outcome)
    assert after.state is state
    assert (after.tries, after.crashes, after.over) == budgets
    assert after.suspect == suspect
    if seconds is None:
        assert (after.ended_ms, after.keep_until_ms) == (NOW_MS, NOW_MS + 60_000)
    else:
        assert (after.ended_ms, after.keep_until_ms) == (None, None)
        assert after.run_at_ms == (NOW_MS + seconds * 1000 if seconds else 0)


def test_a_job_over_its_budget_gets_more_twice_and_is_then_set_aside() -> None:
    states = [judged(job(over=over), OverBudget(2, 1), may_grow=True).state for over in range(LARGEST_OVER)]
    assert states == [State.AVAILABLE, State.AVAILABLE, State.QUARANTINED]


def test_without_retries_a_failure_is_the_end() -> None:
    assert judged(job(), Failed("E"), TaskSpec("t", retry=(NEVER,))).state is State.FAILED


def test_luck_spreads_retries() -> None:
    spec = TaskSpec("t", retry=(RetryRule(1, delay_s=100, jitter=0.1),))
    early, late = (settle(job(), Failed("E"), None, spec, NOW_MS, luck).run_at_ms for luck in (0.0, 0.999))
    assert NOW_MS + 90_000 <= early < late <= NOW_MS + 110_000


def test_the_jobs_own_retention_comes_first() -> None:
    after = judged(job(overrides=Overrides(result_ttl_s=5)), Completed())
    assert after.keep_until_ms == NOW_MS + 5000
    after = judged(job(overrides=Overrides(result_ttl_s=5)), Cancelled())
    assert after.keep_until_ms == NOW_MS + 5000


def test_only_a_completed_job_is_followed() -> None:
    follow = (NewJob(b"f" * 16, "next", b""),)
    assert settle(job(), Completed(), USAGE, SPEC, NOW_MS, 0.5, follow=follow).follow == follow
    assert settle(job(), Failed("E"), USAGE, SPEC, NOW_MS, 0.5, follow=follow).follow == ()


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(Completed(), False), (Released(), False), (Failed("E"), True), (Snoozed(1.0), True), (Lost("x"), True)],
)
def test_a_start_is_told_in_the_story_unless_it_says_nothing_new(outcome: Outcome, told: bool) -> None:
    assert judged(job(), outcome).story is told


@given(
    start=st.builds(
        job,
        tries=st.integers(0, 9),
        crashes=st.integers(0, 9),
        over=st.integers(0, 9),
        suspect=st.booleans(),
        overrides=st.none() | st.builds(Overrides, retries=st.none() | st.integers(0, 9)),
    ),
    outcome=st.sampled_from([row[1] for row in TABLE]),
    may_grow=st.booleans(),
    crash_budget=st.integers(1, 5),
    luck=st.floats(0, 1, exclude_max=True),
)
def test_whatever_happens(start: Claimed, outcome: Outcome, may_grow: bool, crash_budget: int, luck: float) -> None:
    spec = TaskSpec("t", retry=SPEC.retry, crash_budget=crash_budget)
    after = settle(start, outcome, USAGE, spec, NOW_MS, luck, may_grow=may_grow, log=b"log")
    assert (after.ref, after.token, after.task, after.queue, after.log) == (7, 4, "t", "q", b"log")
    assert after.state is not State.RUNNING
    spent = (after.tries - start.tries, after.crashes - start.crashes, after.over - start.over)
    assert sum(spent) <= 1, "a start is charged to one budget"
    assert min(spent) >= 0, "no budget is given back"
    assert after.state.terminal == (after.ended_ms is not None) == (after.keep_until_ms is not None)
    assert (after.state is State.SCHEDULED) == (after.run_at_ms > NOW_MS)
    assert after.record is not None
    assert decode_record(after.record) == Record(4, outcome, USAGE)


@given(st.sampled_from([Failed("E"), TimedOut(1.0), Lost("x"), Lost("x", host=True), OverBudget(2, 1)]))
def test_no_job_goes_on_for_ever(outcome: Outcome) -> None:
    start = job()
    for _ in range(20):
        after = judged(start, outcome, may_grow=True)
        if after.state.terminal:
            return
        start = job(after.tries, after.crashes, after.over, after.suspect)
    raise AssertionError(f"{outcome} never ends")


def test_waiting_jobs_end_with_a_record_that_says_why() -> None:
    assert (EXPIRED.state, CANCELLED.state, NOT_AGAIN.state) == (State.EXPIRED, State.CANCELLED, State.CANCELLED)
    assert isinstance(decode_record(EXPIRED.record).outcome, Expired)
    assert "before it started" in str(decode_record(CANCELLED.record).outcome)
    assert "again" in str(decode_record(NOT_AGAIN.record).outcome)


def test_states_are_stored_by_number() -> None:
    assert [state.label for state in State] == [
        "available", "running", "scheduled", "held", "completed", "failed", "cancelled", "expired", "quarantined",
    ]  # fmt: skip
    assert [state.terminal for state in State] == [False] * 4 + [True] * 5
