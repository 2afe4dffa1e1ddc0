"""Each rule with what it must find and what it must leave alone."""

from __future__ import annotations

import math

import pytest
from tests.support.histories import CRON_PID, HOUR, MB, START_S, Days

from oakum.model.finding import Severity
from oakum.watch.guard.runlog import Run
from oakum.watch.history import CronJob
from oakum.watch.rules import (
    RULES,
    cron_unguarded,
    dev_server,
    diagnose,
    memory_forecast,
    out_of_memory_kill,
    process_grows,
    process_hung,
    processes_accumulate,
    workers_never_recycle,
)
from oakum.watch.rules.case import Case
from oakum.watch.series import Series

GIB = 1024**3


def found(rule, days):
    return list(rule.find(Case(days.history)))


def leak(rate):
    return lambda age: 60 * MB + rate * MB * age


# OAK101 process-grows


def test_a_process_that_grows_is_named_with_its_rate_and_its_end():
    days = Days()
    days.process("consumer --queue mail", leak(4), pid=77)
    days.host(mem_total=4 * GIB, mem_available=400 * MB)
    [finding] = found(process_grows, days)
    assert (finding.code, finding.severity) == ("OAK101", Severity.WARNING)
    assert finding.evidence["bytes_per_hour"] == pytest.approx(4 * MB, rel=0.01)
    assert finding.forecast["full"] == "host memory"
    assert finding.forecast["hours"] == pytest.approx(100, rel=0.02)
    assert finding.where["pid"] == 77
    assert "`consumer --queue mail` (pid 77) grows by 3.82 MiB an hour" in finding.message


def test_workers_of_one_command_are_one_finding():
    days = Days()
    for number in range(3):
        days.process(f"worker --number {number}", leak(2))
    [finding] = found(process_grows, days)
    assert finding.evidence["processes"] == 3
    assert finding.evidence["bytes_per_hour"] == pytest.approx(6 * MB, rel=0.02)


def test_a_cgroups_limit_comes_before_the_hosts():
    days = Days()
    days.process("consumer", leak(4), cgroup="/app")
    days.host(mem_total=4 * GIB, mem_available=3 * GIB)
    group = days.history.cgroups["/app"] = Series("/app")
    group.extend(range(len(days.history.times)), {name: [size] * len(days.history.times) for name, size in
                                                  (("limit", 300 * MB), ("current", 260 * MB))})  # fmt: skip
    [finding] = found(process_grows, days)
    assert finding.forecast["full"] == "cgroup /app"
    assert finding.severity is Severity.ERROR


def test_a_cache_that_fills_and_a_restart_are_left_alone():
    days = Days()
    days.process("cache", lambda age: 50 * MB + min(age, 5) * 60 * MB, start=10)
    days.process("service", leak(3), end=20)  # restarted by hand
    days.process("service", start=20.1)
    assert found(process_grows, days) == []


def test_workers_that_are_replaced_in_turn_are_left_alone():
    days = Days(200)
    for turn in range(4):
        days.process("worker", leak(3), start=turn * 45, end=turn * 45 + 44.9)
    days.process("worker", leak(3), start=160)
    assert found(process_grows, days) == []


def test_what_grew_before_the_host_went_down_is_told():
    days = Days(48, boots=(40,))
    days.process("consumer", leak(4))
    days.process("consumer", start=40.1, boot=1)
    [finding] = found(process_grows, days)
    assert finding.evidence["host_went_down_s"] == START_S + 40 * HOUR - 300
    assert finding.message.endswith("the host went down at 2025-12-22 15:55 UTC")
    assert finding.forecast is None


def test_a_host_that_goes_down_before_a_day_is_over_is_judged_over_two_boots():
    days = Days(48, boots=(24,))
    days.process("consumer", leak(4), start=-1)
    days.process("consumer", leak(4), start=24.1, boot=1)
    days.process("cache", start=-100)
    days.process("cache", lambda age: 50 * MB + 5 * MB * age, start=24.1, boot=1)  # it did not grow before
    [finding] = found(process_grows, days)
    assert (finding.subject, finding.evidence["host_went_down_s"]) == ("consumer", None)
    assert (finding.evidence["confidence"], finding.evidence["lives"]) == ("medium", 2)
    assert finding.message.endswith("2 boots show it, none of them for more than a day: confidence medium")


def test_three_short_boots_show_it_together():
    days = Days(48, boots=(14, 20))
    for boot, start in enumerate((-1, 14.1, 20.1)):
        days.process("consumer", leak(4), start=start, boot=boot)
    assert [(each.subject, each.evidence["lives"]) for each in found(process_grows, days)] == [("consumer", 2)]


def daily_leak(rate, begin):
    return lambda age: 100 * MB + rate * MB * age + 50 * MB * math.sin((begin + age) * math.tau / 24)


def test_beneath_a_daily_rhythm_all_boots_speak_together():
    days = Days(48, boots=(31,))
    days.process("web", daily_leak(3, -1), start=-1)
    days.process("web", daily_leak(3, 31.1), start=31.1, boot=1)
    [finding] = found(process_grows, days)
    assert finding.evidence["bytes_per_hour"] == pytest.approx(3 * MB, rel=0.05)
    assert (finding.evidence["confidence"], finding.evidence["lives"]) == ("high", 2)


# OAK101 before a day is over


def early(rate, *, hours=8, total=2 * GIB, available=GIB):
    days = Days(hours, every=60)
    days.process("consumer", leak(rate), start=-1)
    days.host(mem_total=total, mem_available=available)
    return days


def test_a_strong_leak_is_named_within_hours_and_how_sure_that_is():
    [finding] = found(process_grows, early(20))
    assert (finding.severity, finding.evidence["confidence"]) == (Severity.INFO, "low")
    assert finding.message.endswith("what a day gives and takes back looks the same so far: confidence low")


def test_where_there_is_no_time_to_wait_it_is_a_warning():
    [finding] = found(process_grows, early(20, available=300 * MB))
    assert finding.severity is Severity.WARNING


def test_after_a_crash_within_a_day_what_grew_before_it_is_a_warning():
    days = Days(12, every=60, boots=(10,))
    days.process("consumer", leak(20), start=-1)
    days.process("consumer", leak(20), start=10.1, boot=1)
    days.host(mem_total=2 * GIB, mem_available=GIB)
    [finding] = found(process_grows, days)
    assert (finding.severity, finding.evidence["confidence"]) == (Severity.WARNING, "low")
    assert "; the host went down at 2025-12-21 09:59 UTC; what a day gives" in finding.message


@pytest.mark.parametrize("days", [early(20, hours=6), early(10), early(20, total=16 * GIB)])
def test_too_short_and_too_weak_a_rise_is_left_alone(days):
    assert found(process_grows, days) == []


def test_a_command_that_was_level_for_longer_is_left_alone():
    days = early(20)
    days.process("consumer", start=-9)
    assert found(process_grows, days) == []


def test_a_log_without_the_hosts_size_is_judged_by_what_all_processes_hold():
    days = Days(8, every=60)
    days.process("consumer", leak(20), start=-1)
    assert [each.subject for each in found(process_grows, days)] == ["consumer"]
    days.process("database", 4000 * MB)
    assert found(process_grows, days) == []


# OAK102 processes-accumulate


def hang(days, count, *, every=4.0, command="python manage.py crontab run 3fa9c1d", **more):
    return [
        days.process(command, 50 * MB, start=1 + number * every, ppid=CRON_PID, comm="python", **more)
        for number in range(count)
    ]


def test_processes_that_come_and_stay_accumulate():
    days = Days()
    hang(days, 9, wchan="wait_woken", peers="192.0.2.7:443", cpu_ms=300)
    [finding] = found(processes_accumulate, days)
    assert finding.subject == "python manage.py crontab run *"
    assert finding.evidence["processes"] == 9
    assert finding.evidence["held_bytes"] == 450 * MB
    assert finding.evidence["commands"] == ["python manage.py crontab run 3fa9c1d"]
    assert finding.evidence["waiting_in"] == "wait_woken"
    assert ", waiting in wait_woken, connected to 192.0.2.7:443; together" in finding.message
    assert finding.evidence["by_cron"] is True
    assert "9 processes of `python manage.py crontab run *` were started in 47 h and have not ended" in finding.message


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(lambda days: hang(days, 3), id="three are too few"),
        pytest.param(lambda days: [days.process("worker", start=9.0) for _ in range(8)], id="a pool that started at once"),
        pytest.param(lambda days: hang(days, 8, every=0.5), id="a pool that grew in the morning and stayed"),
        pytest.param(lambda days: hang(days, 11, command="-bash"), id="shells that somebody sits in front of"),
        pytest.param(
            lambda days: [days.process("w", start=n * 4, end=n * 4 + 16) for n in range(12)], id="a pool that is renewed"
        ),
        pytest.param(
            lambda days: [days.process("w", start=n * 4.7, end=1e9 if n > 4 else 30) for n in range(10)], id="some ended"
        ),
    ],
)  # fmt: skip
def test_what_does_not_pile_up_is_left_alone(live):
    days = Days()
    live(days)
    assert found(processes_accumulate, days) == []


def test_what_piled_up_before_a_reboot_is_told():
    days = Days(48, boots=(45,))
    hang(days, 9)
    [finding] = found(processes_accumulate, days)
    assert finding.evidence["host_went_down_s"] == START_S + 45 * HOUR - 300


# OAK103 process-hung


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


# OAK104 memory-forecast


def test_memory_on_its_way_to_its_end_is_told_with_those_who_make_it():
    days = Days()
    days.process("greedy", lambda age: 100 * MB + 20 * MB * age)
    days.process("calm")
    days.host(mem_total=8_000 * MB, mem_available=lambda hour: 2_000 * MB - 25 * MB * hour)
    [finding] = found(memory_forecast, days)
    assert finding.evidence["families"] == ["greedy"]
    assert finding.evidence["shares"] == [pytest.approx(0.8, abs=0.05)]
    assert finding.forecast["hours"] == pytest.approx(32, rel=0.05)
    assert "made by `greedy` 80%" in finding.message


def test_without_the_hosts_figures_the_processes_are_added_up():
    days = Days()
    days.process("greedy", lambda age: 100 * MB + 20 * MB * age)
    [finding] = found(memory_forecast, days)
    assert finding.evidence["bytes_per_hour"] == pytest.approx(20 * MB, rel=0.02)
    assert finding.forecast is None


def test_the_end_within_a_day_is_an_error():
    days = Days()
    days.host(mem_total=8_000 * MB, mem_available=lambda hour: 2_000 * MB - 35 * MB * hour)
    assert [finding.severity for finding in found(memory_forecast, days)] == [Severity.ERROR]


def test_memory_that_follows_the_day_is_left_alone():
    days = Days()
    days.host(mem_total=8_000 * MB, mem_available=lambda hour: 2_000 * MB - 40 * MB * abs(12 - hour % 24))
    assert found(memory_forecast, days) == []


# OAK105 dev-server


@pytest.mark.parametrize(
    "command",
    [
        "python manage.py runserver 0.0.0.0:8000",
        "/srv/venv/bin/python3.11 -u /srv/site/manage.py runserver",
        "python -m flask --app x run",
        "/usr/bin/flask run --host=0.0.0.0",
        "uvicorn app:app --reload",
        "python3 -m http.server 80",
        "php -S 0.0.0.0:80",
        "php artisan serve",
        "node /srv/node_modules/.bin/vite --host",
        "node node_modules/.bin/next dev",
    ],
)
def test_a_development_server_that_serves_is_a_finding(command):
    days = Days()
    days.process(command)
    [finding] = found(dev_server, days)
    assert finding.severity is Severity.WARNING
    assert command in finding.message


@pytest.mark.parametrize(
    "command",
    ["gunicorn site.wsgi", "python manage.py migrate", "uvicorn app:app", "grep runserver x", "vim manage.py", "node vite build"],
)  # fmt: skip
def test_other_commands_are_no_development_servers(command):
    days = Days()
    days.process(command)
    assert found(dev_server, days) == []


def test_a_development_server_of_this_hour_is_somebody_developing():
    days = Days()
    days.process("flask run", start=47.7)
    days.process("python manage.py runserver", start=40)
    assert [finding.severity for finding in found(dev_server, days)] == [Severity.INFO]


# OAK106 workers-never-recycle


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("/srv/venv/bin/python /srv/venv/bin/gunicorn --workers 4 site.wsgi", "gunicorn's workers are never replaced"),
        ("gunicorn --max-requests 1000 site.wsgi", "gunicorn's workers are all replaced at about the same time"),
        ("celery -A site worker -l info", "Celery's workers are never replaced"),
        ("python -m celery -A site worker --pool prefork", "Celery's workers are never replaced"),
        ("uwsgi --http :80 --processes 4", "uWSGI's workers are never replaced"),
    ],
)
def test_endless_workers_are_remarked(command, says):
    days = Days()
    days.process(command)
    [finding] = found(workers_never_recycle, days)
    assert finding.severity is Severity.INFO
    assert says in finding.message


def test_endless_workers_that_grow_are_a_warning():
    days = Days()
    days.process("gunicorn site.wsgi")
    days.process("gunicorn site.wsgi", leak(5))
    [finding] = found(workers_never_recycle, days)
    assert finding.severity is Severity.WARNING
    assert "and they grow" in finding.message


@pytest.mark.parametrize(
    "command",
    [
        "gunicorn --max-requests 1000 --max-requests-jitter 100 site.wsgi",
        "gunicorn -c conf.py site.wsgi",
        "gunicorn: master [site]",
        "celery -A site worker --max-tasks-per-child=100",
        "celery -A site worker -P gevent",
        "celery -A site worker --pool=threads",
        "celery -A site beat",
        "uwsgi --ini site.ini",
        "uwsgi --http :80 --max-requests 100 --max-requests-delta 10",
    ],
)
def test_workers_that_end_or_whose_settings_are_elsewhere_are_left_alone(command):
    days = Days()
    days.process(command, leak(5))
    assert found(workers_never_recycle, days) == []


# OAK107 cron-unguarded


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


# OAK108 out-of-memory-kill


def test_a_kill_in_a_group_is_told_with_its_likely_victim():
    days = Days()
    days.process("greedy", leak(9), end=30, cgroup="/web")
    days.process("other", 900 * MB, end=30)
    count = len(days.history.times)
    group = days.history.cgroups["/web"] = Series("/web")
    group.extend(range(count), {
        "limit": [512 * MB] * count, "current": [400 * MB] * count,
        "oom_kills": [7 if tick > 360 else 6 for tick in range(count)],
    })  # fmt: skip
    [finding] = found(out_of_memory_kill, days)
    assert (finding.subject, finding.severity) == ("cgroup /web", Severity.ERROR)
    assert finding.evidence["kills"] == 1
    assert finding.evidence["victim"] == "greedy"
    assert "at its limit of 488 MiB" in finding.message
    assert finding.where == {"cgroup": "/web"}


def test_the_hosts_own_kills_are_counted_within_a_boot_only():
    days = Days(48, boots=(24,))
    days.process("greedy", 900 * MB, end=10)
    days.host(oom_kills=lambda hour: 5 if hour < 10.01 else 8 if hour < 24 else 2)
    [finding] = found(out_of_memory_kill, days)
    assert (finding.subject, finding.evidence["kills"], finding.evidence["victim"]) == ("the host", 3, "greedy")


def limited(days, path, rises_at):
    """A control group in which the kernel killed once at each of these ticks."""
    group, ticks = Series(path), range(len(days.history.times))
    group.extend(ticks, {"oom_kills": [sum(tick >= at for at in rises_at) for tick in ticks]})
    days.history.cgroups[path] = group


def guarded(hour, kernel_kills=1):
    """A run of `oakum run` that the kernel ended at this hour of the record."""
    return Run("1-2", START_S + hour * HOUR - 7, ["import"], kernel_kills=kernel_kills, seconds=7.0)


def test_kills_at_limits_that_oakum_set_are_not_the_hosts():
    days = Days()
    every = days.every / HOUR
    limited(days, "/system.slice/oakum-4711/child-3", [60])
    limited(days, "/oakum-run-99/command", [120])
    days.host(oom_kills=lambda hour: sum(hour >= at * every - 0.01 for at in (60, 119, 120)))
    runs = [
        guarded(119 * every + 0.001),
        guarded(120 * every),
    ]  # the kernel's counter rose a moment before the run ended
    assert list(out_of_memory_kill.find(Case(days.history, runs))) == []


def test_a_kill_of_the_host_beside_our_own_is_told():
    days = Days()
    days.process("greedy", 900 * MB, end=10)
    days.host(oom_kills=lambda hour: 0 if hour < 10.01 else 3)
    [finding] = out_of_memory_kill.find(Case(days.history, [guarded(10.05, kernel_kills=2), guarded(30)]))
    assert (finding.subject, finding.evidence["kills"]) == ("the host", 1)


def test_counters_that_stand_still_are_left_alone():
    days = Days()
    days.host(oom_kills=9)
    assert found(out_of_memory_kill, days) == []


# All of them


def test_a_quiet_host_has_no_findings():
    days = Days()
    for number in range(20):
        days.process(f"service-{number}d --config x", (20 + number) * MB, cpu_ms=lambda age: age * 5000)
    days.host(mem_total=4 * GIB, mem_available=3 * GIB, oom_kills=0)
    assert diagnose(Case(days.history)) == []


def test_an_empty_history_has_no_findings():
    from oakum.watch.history import History

    assert diagnose(Case(History())) == []


def test_findings_come_worst_first_and_the_newest_of_a_state_alone():
    days = Days(96, boots=(48,))
    days.process("consumer", leak(4))
    days.process("consumer", leak(40), start=48.1, boot=1)
    days.process("flask run", start=90, boot=1)
    days.host(mem_total=4 * GIB, mem_available=500 * MB)
    findings = diagnose(Case(days.history))
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.INFO]
    assert findings[0].evidence["host_went_down_s"] is None


def test_a_rule_that_breaks_is_a_finding_about_itself():
    class Broken:
        CODE, NAME = "OAK999", "broken"

        def find(self, case):
            raise ZeroDivisionError("by zero")

    days = Days()
    days.process("flask run")
    first, second = diagnose(Case(days.history), (Broken(), dev_server))
    assert {first.code, second.code} == {"OAK999", "OAK105"}
    assert any("ZeroDivisionError: by zero" in finding.message for finding in (first, second))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.CODE)
def test_a_rules_docstring_is_its_manual_page(rule):
    title, *_ = rule.__doc__.splitlines()
    assert title.startswith(f"{rule.CODE} {rule.NAME}: ")
    for heading in ("What it says", "How it judges", "What to do", "Bad", "Good"):
        assert f"\n{heading}\n    " in rule.__doc__
