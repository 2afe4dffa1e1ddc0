"""Guards in crontabs: where they go, where they must not, and that everything else stays to the letter."""

from __future__ import annotations

import pytest

from oakum.watch.crontab import CronLine
from oakum.watch.guard.cron import guard_crontab, lock_name, time_limit


def guarded(command, schedule="*/5 * * * *", **more):
    answer = guard_crontab(f"{schedule} {command}\n", lambda line, lock: "GUARD", **more)
    return answer.text.removeprefix(schedule + " ").removesuffix("\n"), [reason for _, reason in answer.unchanged]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("poll", "GUARD -- poll"),
        ("/usr/bin/python manage.py crontab run 3f2a", "GUARD -- /usr/bin/python manage.py crontab run 3f2a"),
        ("cd /srv/site && python manage.py poll", "cd /srv/site && GUARD -- python manage.py poll"),
        ("A=1 B='x y' poll", "A=1 B='x y' GUARD -- poll"),
        ("poll >> /var/log/poll.log 2>&1", "GUARD --output pass -- poll >> /var/log/poll.log 2>&1"),
        ("poll &> /dev/null", "GUARD --output pass -- poll &> /dev/null"),
        ("poll < /etc/list", "GUARD --output pass -- poll < /etc/list"),
        ("poll 'a|b' \"c;d\" $HOME ${X} e\\&f", "GUARD -- poll 'a|b' \"c;d\" $HOME ${X} e\\&f"),
        (r"date +\%F", r"GUARD -- date +\%F"),
        ("nice -n 10 poll", "GUARD -- nice -n 10 poll"),
    ],
)
def test_a_simple_command_is_guarded(command, expected):
    assert guarded(command) == (expected, [])


@pytest.mark.parametrize(
    "command",
    [
        "a | b", "a; b", "a && b", "a || b", "a &", "(a)", "{ a; }", "a `b`", "a $(b)", "a %stdin", "cd /x; a",
        "test -x /x || a", "if a; then b; fi", "a 'open", 'a "$(b)"', "! a",
    ],
)  # fmt: skip
def test_what_is_more_than_a_simple_command_stays(command):
    assert guarded(command) == (
        command,
        ["more than one simple command: put it into a script, or guard its parts by hand"],
    )


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("timeout 60 poll", "guarded already, by timeout"),
        ("/usr/bin/flock -n /l poll", "guarded already, by flock"),
        ("/opt/bin/oakum run -- poll", "guarded already, by oakum"),
        ("[ -x /x ]", "'[' is a word of the shell, not a command"),
        (". /etc/profile", "'.' is a word of the shell, not a command"),
    ],
)
def test_what_is_guarded_or_no_command_stays(command, reason):
    assert guarded(command) == (command, [reason])


def test_what_starts_with_the_host_stays():
    command, [reason] = guarded("mydaemon", "@reboot")
    assert command == "mydaemon"
    assert "write a unit" in reason


def test_a_guarded_crontab_is_not_guarded_twice():
    once = guard_crontab("* * * * * poll\n", lambda line, lock: f"oakum run --lock {lock}")
    assert guard_crontab(once.text, lambda line, lock: "AGAIN").text == once.text


def test_every_other_byte_stays():
    text = "# odd\tspaces  \n\nMAILTO=x\n*/5  *\t* * *   a | b  \r\n0 0 * * *\tpoll  \n@daily x"
    answer = guard_crontab(text, lambda line, lock: "GUARD")
    assert answer.text == text.replace("\tpoll", "\tGUARD -- poll").replace("@daily x", "@daily GUARD -- x")


def test_system_crontabs_keep_their_user():
    assert guarded("root poll", system=True) == ("root GUARD -- poll", [])


def test_locks_tell_commands_apart_and_can_be_read():
    assert lock_name("/usr/bin/python3.11 -W ignore manage.py poll").startswith("ignore-")
    assert lock_name("python manage.py poll").startswith("manage.py-")
    assert lock_name("nice -n 10 /srv/backup.sh x").startswith("backup.sh-")
    assert lock_name("python manage.py poll") != lock_name("python manage.py mail")
    assert lock_name("'$X'").startswith("X-")


@pytest.mark.parametrize(
    ("schedule", "limit"),
    [("* * * * *", "1m"), ("*/5 * * * *", "5m"), ("@hourly", "1h"), ("@daily", "24h"), ("@monthly", "24h"), ("61 * * * *", None)],
)  # fmt: skip
def test_a_run_may_last_until_the_next_is_due(schedule, limit):
    assert time_limit(CronLine(1, "", schedule, None, 0)) == limit
