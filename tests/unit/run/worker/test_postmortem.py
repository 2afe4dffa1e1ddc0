"""What a dead child's jobs died of."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

from oakum.host.process import LOST_CHANNEL
from oakum.model.outcome import Cancelled, Lost, OverBudget, Released, TimedOut
from oakum.run.worker.postmortem import autopsy

MIB = 1024 * 1024


def status(code: int = os.CLD_KILLED, number: int = signal.SIGKILL):
    return SimpleNamespace(si_code=code, si_status=number)


def group(kills: int):
    return SimpleNamespace(kills=lambda: kills, limit=lambda size: None, remove=lambda: True)


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        (status(), "was ended by SIGKILL"),
        (status(os.CLD_DUMPED, signal.SIGSEGV), "was ended by SIGSEGV"),
        (status(os.CLD_KILLED, 40), "was ended by signal 40"),
        (status(os.CLD_EXITED, 3), "ended by itself with status 3"),
        (status(os.CLD_EXITED, LOST_CHANNEL), "lost its line to the worker (were its descriptors closed?)"),
    ],
)
def test_only_the_job_that_had_begun_is_charged_and_the_rest_goes_back(puppet, plan, jobs, ended, cause) -> None:
    kid, given, back = puppet(), jobs(3), []
    kid.give(given, plan(window=3), 0.0)
    kid.begin(1)
    said, ((held, outcome, usage),) = autopsy(kid, ended, back)
    assert said == cause
    assert (held.job, outcome) == (given[0], Lost(f"its process {cause}"))
    assert usage is not None
    assert not usage.exact
    assert back == given[1:]
    assert kid.in_hand == {}


def test_of_a_child_that_had_begun_nothing_all_goes_back(puppet, plan, jobs) -> None:
    kid, given, back = puppet(), jobs(2), []
    kid.give(given, plan(window=3), 0.0)
    assert autopsy(kid, status(), back)[1] == []
    assert back == given


def test_jobs_of_one_loop_run_alone_and_nobody_is_charged(puppet, plan, jobs) -> None:
    kid, given, back = puppet(), jobs(3), []
    kid.give(given, plan(window=3, shared="t"), 0.0)
    kid.begin(1)
    kid.begin(2)
    _, ends = autopsy(kid, status(), back)
    assert [held.job for held, _, _ in ends] == given[:2]
    assert all(isinstance(outcome, Released) and outcome.alone for _, outcome, _ in ends)
    assert back == given[2:]


def test_a_job_that_would_not_end_gets_what_it_was_asked_to_end_for(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.give(jobs(), plan(), 0.0)
    kid.begin(1)
    kid.in_hand[1].doom = TimedOut(60.0, hard=True)
    ((_, outcome, _),) = autopsy(kid, status(), [])[1]
    assert outcome == TimedOut(60.0, hard=True)


def test_a_verdict_says_more_than_the_signal_and_more_than_a_doom(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.give(jobs(), plan(), 0.0)
    kid.begin(1)
    kid.in_hand[1].doom = Cancelled("while it ran, and had to be killed")
    kid.verdict = OverBudget(20 * MIB, 10 * MIB, ring=2)
    kid.tail.add(
        f'Current thread 0x01 (most recent call first):\n  File "{os.__file__}", line 5 in walk\n  File "{__file__}", line 3 in task\n'
    )
    ((_, outcome, _),) = autopsy(kid, status(), [])[1]
    assert isinstance(outcome, OverBudget)
    assert (outcome.peak, outcome.ring) == (20 * MIB, 2)
    assert (
        outcome.where == f"{__file__}:3 in task: from __future__ import annotations"
    )  # the user's line, not the library's


def test_what_the_kernel_kills_is_over_its_budget(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.group = group(1)
    kid.give(jobs(), plan(mib=10), 0.0)
    kid.begin(1)
    kid.sampled = 9 * MIB
    ((_, outcome, _),) = autopsy(kid, status(), [])[1]
    assert outcome == OverBudget(9 * MIB, 10 * MIB, "", 3)


def test_but_not_for_what_the_job_before_it_had_left_behind(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.group = group(1)
    kid.give(jobs(2), plan(mib=10, window=2), 0.0)
    kid.begin(1)
    kid.begin(2, resting=9 * MIB)
    ((_, outcome, _),) = autopsy(kid, status(), [])[1]
    assert isinstance(outcome, Released)
    assert outcome.alone
