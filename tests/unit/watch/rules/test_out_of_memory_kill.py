"""What the kernel killed, and what of it is not told."""

from __future__ import annotations

from tests.support.histories import HOUR, MB, START_S, Days, found, leak

from oakum.model.finding import Severity
from oakum.watch.guard.runlog import Run
from oakum.watch.rules import out_of_memory_kill
from oakum.watch.rules.case import Case
from oakum.watch.series import Series


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
