"""What hangs, and what may idle."""

from __future__ import annotations

import pytest
from tests.support.histories import CRON_PID, HOUR, MB, START_S, Days, found, hang

from oakum.watch.rules import process_hung


def test_one_run_of_a_cron_job_that_does_nothing_for_hours_hangs():
    days = Days()
    days.process("python poll.py", start=20, ppid=CRON_PID, cpu_ms=400, wchan="wait_woken", pid=5)
    [finding] = found(process_hung, days)
    assert "`python poll.py` hangs: pid 5 is 1d 3h old, and cron started it to end" in finding.message
    assert "waiting in wait_woken" in finding.message
    assert finding.where["pid"] == 5


def test_a_process_far_older_than_its_kind_gets_hangs():
    days = Days()
    for number in range(12):
        days.process(f"convert /in/{number}.png", start=number, end=number + 0.2)
    days.process("convert /in/99.png", start=14, cpu_ms=100)
    [finding] = found(process_hung, days)
    assert finding.subject == "convert /in/*.png"
    assert finding.evidence["usual_seconds"] <= 720


def test_its_shell_between_cron_and_the_command_changes_nothing():
    days = Days()
    shell = days.process("/bin/sh -c python poll.py", 1 * MB, start=20, ppid=CRON_PID, cpu_ms=1)
    days.process("python poll.py", start=20, ppid=shell.key.pid, cpu_ms=400)
    assert {finding.subject for finding in found(process_hung, days)} == {"python poll.py", "/bin/sh -c python poll.py"}


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(lambda days: days.process("backup", start=44, ppid=CRON_PID, cpu_ms=lambda h: h * 9e5), id="busy"),
        pytest.param(
            lambda days: days.process("backup", start=45, ppid=CRON_PID), id="young, and no figures of its CPU"
        ),
        pytest.param(lambda days: days.process("backup", start=47.3, ppid=CRON_PID, cpu_ms=9), id="young"),
        pytest.param(lambda days: days.process("idled", cpu_ms=9), id="a service that idles"),
        pytest.param(
            lambda days: days.process("agent", start=-29 * 24, ppid=CRON_PID, cpu_ms=9, pid=9), id="cron's own @reboot"
        ),
    ],
)
def test_what_works_or_may_idle_does_not_hang(live):
    days = Days()
    days.history.boots[0].started_s = START_S - 29 * 24 * HOUR - 30
    live(days)
    assert found(process_hung, days) == []


@pytest.mark.parametrize(("minutes", "hung"), [(25, 0), (40, 1)])
def test_a_record_of_minutes_does_not_tell_who_hangs(minutes, hung):
    days = Days(minutes / 60, every=60)
    days.process("python poll.py", start=-3, ppid=CRON_PID, cpu_ms=400)
    assert len(found(process_hung, days)) == hung


def test_without_processor_times_an_unchanged_size_for_six_hours_tells():
    days = Days()
    days.process("python poll.py", start=20, ppid=CRON_PID)
    days.process("python fill.py", lambda age: 50 * MB + age * 10 * MB, start=20, ppid=CRON_PID)
    assert [finding.subject for finding in found(process_hung, days)] == ["python poll.py"]


def test_what_accumulates_is_said_once():
    days = Days()
    hang(days, 9, cpu_ms=300)
    assert found(process_hung, days) == []
