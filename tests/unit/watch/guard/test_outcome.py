"""What a run's end means: exit statuses as coreutils' timeout gives them, and one line for the mail."""

from __future__ import annotations

import signal

import pytest

from oakum.watch.guard.outcome import Limits, Outcome, Reason, describe, status_of
from oakum.watch.guard.rings import pause_before_look

MIB = 1024**2


@pytest.mark.parametrize(
    ("limits", "elapsed", "memory", "broken"),
    [
        (Limits(), 1e9, 10**15, None),
        (Limits(timeout=60), 59.999, 0, None),
        (Limits(timeout=60), 60.0, 0, Reason.TIMED_OUT),
        (Limits(memory=MIB), 1e9, MIB - 1, None),
        (Limits(memory=MIB), 0.0, MIB, Reason.OVER_MEMORY),
        (Limits(timeout=60, memory=MIB), 61.0, MIB, Reason.OVER_MEMORY),
    ],
)
def test_a_limit_is_broken_when_it_is_reached(limits, elapsed, memory, broken):
    assert limits.broken(elapsed, memory) is broken


@pytest.mark.parametrize(
    ("reason", "status", "exit_status"),
    [
        (Reason.FINISHED, 0, 0),
        (Reason.FINISHED, 3, 3),
        (Reason.FINISHED, 128 + signal.SIGSEGV, 139),
        (Reason.TIMED_OUT, 128 + signal.SIGTERM, 124),
        (Reason.TIMED_OUT, 0, 124),
        (Reason.TIMED_OUT, 128 + signal.SIGKILL, 137),
        (Reason.OVER_MEMORY, 1, 137),
        (Reason.INTERRUPTED, 128 + signal.SIGTERM, 143),
        (Reason.BUSY, 0, 75),
        (Reason.NOT_STARTED, 127, 127),
    ],
)
def test_exit_statuses(reason, status, exit_status):
    assert Outcome(reason, status).exit_status == exit_status


@pytest.mark.parametrize(
    ("outcome", "fine"),
    [
        (Outcome(Reason.FINISHED, 0), True),
        (Outcome(Reason.BUSY, 75), True),
        (Outcome(Reason.FINISHED, 1), False),
        (Outcome(Reason.FINISHED, 0, left_behind=1), False),
        (Outcome(Reason.TIMED_OUT, 0), False),
        (Outcome(Reason.NOT_STARTED, 127), False),
    ],
)
def test_silence_is_for_what_went_well_and_for_another_runs_turn(outcome, fine):
    assert outcome.fine is fine


def test_wait_statuses_become_a_shells_statuses():
    assert [status_of(0), status_of(3 << 8), status_of(signal.SIGTERM)] == [0, 3, 143]


def test_the_line_for_the_mail_has_its_numbers():
    limits = Limits(timeout=60.0, memory=200 * MIB)
    late = Outcome(Reason.TIMED_OUT, 143, 60.1, 2.5, 52 * MIB, ("meter", "cgroup"))
    assert describe(["/srv/poll", "-v"], limits, late) == (
        "/srv/poll: ended at its time limit of 1m 00s "
        "(after 1m 00s, CPU 2.50 s, peak memory 52.0 MiB, memory held by meter and cgroup)"
    )
    fat = Outcome(Reason.OVER_MEMORY, 137, 1.0, 0.5, 201 * MIB, ("meter",))
    assert "killed at its memory limit of 200 MiB" in describe(["x"], limits, fat)
    assert "failed with status 3" in describe(["x"], limits, Outcome(Reason.FINISHED, 3))
    assert "ended by SIGSEGV" in describe(["x"], limits, Outcome(Reason.FINISHED, 139))
    assert "ended by signal 35" in describe(["x"], limits, Outcome(Reason.FINISHED, 163))
    assert "failed with status 255" in describe(["x"], limits, Outcome(Reason.FINISHED, 255))
    assert describe(["two\nlines"], limits, Outcome(Reason.NOT_STARTED, 127)) == "'two\nlines': no such command"
    assert "ended well" in describe(["x"], limits, Outcome(Reason.FINISHED, 0, left_behind=2))
    assert "2 left behind, ended" in describe(["x"], limits, Outcome(Reason.FINISHED, 0, left_behind=2))
    assert "1 do not end" in describe(["x"], limits, Outcome(Reason.TIMED_OUT, 137, unkillable=1))
    assert describe(["x"], limits, Outcome(Reason.NOT_STARTED, 127)) == "x: no such command"
    assert describe(["x"], limits, Outcome(Reason.NOT_STARTED, 126)) == "x: cannot be executed"


@pytest.mark.parametrize(
    ("limit", "used", "elapsed", "pause"),
    [
        (None, 0, 0.0, 0.01),
        (None, 0, 0.5, 0.25),
        (None, 0, 3600.0, 1.0),
        (400_000_000, 0, 9.0, 0.1),
        (400_000_000, 200_000_000, 9.0, 0.05),
        (400_000_000, 399_999_999, 9.0, 0.002),
        (400_000_000, 500_000_000, 9.0, 0.002),
    ],
)
def test_the_next_look_comes_before_the_limit_can(limit, used, elapsed, pause):
    assert pause_before_look(limit, used, elapsed) == pytest.approx(pause)
