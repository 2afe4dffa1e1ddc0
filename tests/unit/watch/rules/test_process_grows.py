"""What grows, what only looks like it, and how sure that is."""

from __future__ import annotations

import math

import pytest
from tests.support.histories import GIB, HOUR, MB, START_S, Days, found, leak

from oakum.model.finding import Severity
from oakum.watch.rules import process_grows
from oakum.watch.series import Series


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


# Before a day is over


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
