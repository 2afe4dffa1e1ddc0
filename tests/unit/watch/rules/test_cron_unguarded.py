"""Cron lines without a time limit and a lock."""

from __future__ import annotations

import pytest
from tests.support.histories import CRON_PID, Days, found

from oakum.model.finding import Severity
from oakum.watch.history import CronJob
from oakum.watch.rules import cron_unguarded


def by_cron(days, command, start, hours):
    days.process(f"/bin/sh -c {command}", start=start, end=start + hours, ppid=CRON_PID, comm="sh")


def test_two_runs_of_a_cron_line_at_once_are_told():
    days = Days()
    for number in range(5):
        by_cron(days, "python manage.py poll", number * 2, 3)
    [finding] = found(cron_unguarded, days)
    assert (finding.subject, finding.severity) == ("python manage.py poll", Severity.WARNING)
    assert "started every 2h 00m" in finding.message
    assert "2 lived at once" in finding.message


def test_the_crontabs_line_is_named_where_it_is_at_hand():
    days = Days()
    by_cron(days, "python manage.py poll", 3, 0.5)
    days.history.cron_jobs.append(CronJob("/etc/cron.d/poll", 2, "0 * * * *", "www-data", "python manage.py poll"))
    [finding] = found(cron_unguarded, days)
    assert finding.where == {"path": "/etc/cron.d/poll", "line": 2, "user": "www-data"}
    assert finding.evidence["interval_seconds"] == 3600
    assert finding.mend == "guard it: `oakum run --install-cron /etc/cron.d/poll` shows how"


def test_a_shell_that_gave_way_to_its_command_is_known_by_the_crontab():
    days = Days()
    days.process("python manage.py poll 17", start=3, end=4, ppid=CRON_PID, comm="python")
    assert found(cron_unguarded, days) == []
    line = "cd /srv && python manage.py poll 17 >> /var/log/poll.log 2>&1"
    days.history.cron_jobs.append(CronJob("/var/spool/cron/crontabs/app", 7, "0 * * * *", "app", line))
    [finding] = found(cron_unguarded, days)
    assert (
        f"cron runs `{line}` (/var/spool/cron/crontabs/app, line 7, user app), started every 1h 00m" in finding.message
    )
    assert finding.mend == "guard it: `oakum run --install-cron` (as user app) shows how"


@pytest.mark.parametrize(
    "command",
    ["oakum run --timeout 60s -- poll", "cd /srv && timeout 60 poll", "/usr/bin/flock -n /l poll"],
)  # fmt: skip
def test_guarded_lines_are_left_alone(command):
    days = Days()
    for number in range(5):
        by_cron(days, command, number * 2, 3)
    assert found(cron_unguarded, days) == []


def test_short_runs_and_commands_that_cron_did_not_start_are_left_alone():
    days = Days()
    for number in range(5):
        by_cron(days, "poll", number, 0.1)
        days.process("/bin/sh -c serve", start=number, end=number + 9)
    assert found(cron_unguarded, days) == []
