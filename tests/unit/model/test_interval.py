"""The smallest safe interval: by the formula, and in a simulation of the schedule that outran its worker."""

from __future__ import annotations

import pytest

from oakum.model.capacity import Counted, History, Pace, Sample, Served
from oakum.model.interval import Crew, safe_interval

ONE_SLOT = [Crew("a", 1, ("default",))]


def pace(task: str, arrivals: float, mean_s: float | None, queue: str = "default") -> Pace:
    return Pace(queue, task, 60.0, arrivals, arrivals, mean_s, 0, 0)


def safe(paces, crews=ONE_SLOT, serial=False):
    found = safe_interval("default", "t", serial, paces, crews)
    assert found is not None
    return found


def test_one_slot_takes_one_after_the_other_and_leaves_a_twentieth_free():
    assert safe([pace("t", 1.0, 1.15)]).interval_s == 1.22  # 1.15 / 0.95, rounded up


@pytest.mark.parametrize(
    ("mean_s", "interval_s"), [(0.95, 1.0), (0.00012, 0.000127), (0.115, 0.122), (114.0, 120.0), (0.0, 0.0)]
)
def test_what_is_printed_in_three_digits_is_safe(mean_s, interval_s):
    assert safe([pace("t", 1.0, mean_s)]).interval_s == interval_s


def test_more_slots_allow_more_unless_runs_may_not_overlap():
    crews = [Crew("a", 4, ("default",))]
    assert safe([pace("t", 1.0, 1.0)], crews).interval_s == 0.264  # 1 / (0.95 * 4)
    assert safe([pace("t", 1.0, 1.0)], crews, serial=True).interval_s == 1.06  # 1 / 0.95


def test_what_the_others_take_is_taken_off():
    paces = [pace("t", 1.0, 1.0), pace("other", 3.0, 0.5), pace("elsewhere", 9.0, 9.0, queue="mail")]
    found = safe(paces, [Crew("a", 2, ("default",))])
    assert found.interval_s == 2.11  # 1 / (0.95 * 0.5)
    assert found.others == pytest.approx(1.5)


def test_the_others_may_leave_nothing():
    assert safe([pace("t", 1.0, 1.0), pace("other", 2.0, 1.0)]).interval_s is None


def test_without_the_host_with_the_most_slots():
    crews = [
        Crew("a", 2, ("default",)),
        Crew("a", 1, ("default",)),
        Crew("b", 1, ("default",)),
        Crew("c", 8, ("mail",)),
    ]
    found = safe([pace("t", 1.0, 1.0)], crews)
    assert found.slots == 4
    assert found.one_host_less_s == 1.06  # 1 / 0.95
    assert safe([pace("t", 1.0, 1.0)]).one_host_less_s is None


def test_the_slots_that_an_interval_needs():
    found = safe([pace("t", 1.0, 1.15), pace("other", 1.0, 0.5)])
    assert found.slots_needed(1.0) == 2  # 1.21 + 0.5
    assert found.slots_needed(0.5) == 3  # 2.42 + 0.5
    assert safe([pace("t", 1.0, 0.95)]).slots_needed(1.0) == 1  # exactly full is still one


def test_nothing_is_said_of_a_task_that_was_never_measured():
    assert safe_interval("default", "t", False, [pace("t", 1.0, None)], ONE_SLOT) is None


@pytest.mark.parametrize(("every_s", "takes_s", "low", "high"), [(1.0, 1.15, 1.15, 1.25), (0.1, 0.115, 0.115, 0.125)])
def test_the_schedule_that_outran_its_worker_is_told_within_a_minute(every_s, takes_s, low, high):
    """One slot, a job of 1.15 s each second (and ten times faster), counters looked at every five seconds."""
    history, free_at, ended = History(), 0.0, list[float]()
    for tick in range(int(60 / every_s)):
        free_at = max(free_at, tick * every_s) + takes_s
        ended.append(free_at)
    for now in range(0, 61, 5):
        arrived, done = int(now / every_s), sum(moment <= now for moment in ended)
        flow = Counted("default", "t", arrived, done, arrived - done, 0)
        history.add(Sample(1_767_268_800_000 + now * 1000, (flow,), {"t": Served(done, int(done * takes_s * 1e6))}))
    (seen,) = history.paces()
    assert seen.growth == pytest.approx(1 / every_s - 1 / takes_s, rel=0.2)
    interval_s = safe([seen]).interval_s
    assert interval_s is not None
    assert low <= interval_s <= high
