"""What grows: against what it was at the window's beginning, by process and by family."""

from __future__ import annotations

from oakum.watch.growth import Growth, Look, looks_of_history
from oakum.watch.history import History
from oakum.watch.series import Identity, ProcessKey

MIB = 1024 * 1024


def look(pid: int, rss: int, args: str = "web", start_s: float = 100.0, cpu_ms: int | None = None) -> Look:
    return Look(pid, start_s, "app", args, rss, cpu_ms)


def test_the_largest_is_not_the_first_but_what_grew_most() -> None:
    growth = Growth(3600)
    for minute in range(11):
        growth.add(
            1000 + 60 * minute, [look(1, 900 * MIB, "big"), look(2, (10 + minute) * MIB, "leak"), look(3, MIB, "idle")]
        )
    leak, big, idle = growth.processes()
    assert (leak.name, leak.gained, leak.over_s, leak.per_hour) == ("leak", 10 * MIB, 600, 60 * MIB)
    assert (big.name, big.gained, idle.name) == ("big", 0, "idle")
    assert leak.trend[0] == 10 * MIB
    assert leak.age_s == 1600 - 100


def test_a_family_grows_by_its_number() -> None:
    growth = Growth(3600)
    for minute in range(6):
        growth.add(
            1000 + 60 * minute, [look(pid, 50 * MIB, f"cron --run {pid}aaaaaaa") for pid in range(1, minute + 2)]
        )
    (family,) = growth.families()
    assert (family.name, family.members, family.gained, family.rss) == ("cron --run *", 6, 250 * MIB, 300 * MIB)
    assert family.pid is None
    assert all(line.gained == 0 for line in growth.processes())


def test_what_ended_counts_as_lost_by_its_family() -> None:
    growth = Growth(3600)
    growth.add(1000, [look(1, MIB, "job 1"), look(2, MIB, "job 2")])
    growth.add(1060, [look(1, MIB, "job 1")])
    (family,) = growth.families()
    assert (family.gained, family.members) == (-MIB, 1)


def test_a_number_used_again_begins_anew_and_a_start_may_waver() -> None:
    growth = Growth(3600)
    growth.add(1000, [look(1, MIB, start_s=100), look(2, MIB, start_s=100)])
    growth.add(1060, [look(1, 5 * MIB, start_s=101.5), look(2, 5 * MIB, start_s=1030)])
    assert {line.pid: line.gained for line in growth.processes()} == {1: 4 * MIB, 2: 0}


def test_growth_is_counted_over_the_window_and_memory_of_it_is_bounded() -> None:
    growth = Growth(600)
    for second in range(0, 5000, 2):
        growth.add(second, [look(1, second * 1000)])
    (line,) = growth.processes()
    assert 590 <= line.over_s <= 600
    assert line.gained == line.over_s * 1000
    assert len(line.trend) <= 2 * 120


def test_processor_time_is_a_share_since_the_look_before() -> None:
    growth = Growth(600)
    growth.add(1000, [look(1, MIB, cpu_ms=500), look(2, MIB)])
    assert {line.pid: line.cpu for line in growth.processes()} == {1: None, 2: None}
    growth.add(1002, [look(1, MIB, cpu_ms=1500), look(2, MIB)])
    assert {line.pid: line.cpu for line in growth.processes()} == {1: 0.5, 2: None}


def test_it_begins_with_what_was_recorded_in_this_boot() -> None:
    history = History()
    for boot in ("before", "now"):
        number = history.boot(boot, 0.0)
        for tick in range(3):
            at = history.tick(1000.0 * (number + 1) + 60 * tick, 60)
            process = history.process(ProcessKey(number, 7, 500), Identity(1, "app", "web", "web"))
            process.extend([at], {"rss": [(tick + 1) * MIB]})
    growth = Growth(3600)
    for time_s, looks in looks_of_history(history, "now"):
        growth.add(time_s, looks)
    growth.add(2200, [look(7, 9 * MIB, start_s=500.4)])
    (line,) = growth.processes()
    assert (line.gained, line.over_s) == (8 * MIB, 200)
