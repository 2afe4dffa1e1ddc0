"""Crontabs, read."""

from __future__ import annotations

import pytest

from oakum.watch.crontab import interval, read_crontab


def test_only_jobs_are_jobs():
    text = "# m h\n\nMAILTO=root\nPATH = /bin\n  */5 * * * *  cd /srv && poll  \n@daily backup\nbroken line\n@reboot\n"
    assert [(line.number, line.schedule, line.command) for line in read_crontab(text)] == [
        (5, "*/5 * * * *", "cd /srv && poll"),
        (6, "@daily", "backup"),
    ]


def test_system_crontabs_name_a_user():
    [line] = read_crontab("17 *\t* * *\troot\tcd / && run-parts /etc/cron.hourly\n", system=True)
    assert (line.user, line.command) == ("root", "cd / && run-parts /etc/cron.hourly")


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("* * * * *", 60),
        ("*/5 * * * *", 300),
        ("0,10 3 * * *", 600),
        ("@hourly", 3600),
        ("@daily", 86_400),
        ("0 3 * * 1", 604_800),
        ("@reboot", None),
        ("61 * * * *", None),
        ("0 0 30 2 *", None),
    ],
)
def test_the_smallest_interval_of_a_schedule(schedule, seconds):
    assert interval(schedule) == seconds
