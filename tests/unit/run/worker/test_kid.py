"""What a supervisor tells a child, and what it may take back of it."""

from __future__ import annotations

import os

from oakum.model.outcome import Cancelled, TimedOut
from oakum.run.link.orders import BEGIN, STOP, Order
from oakum.run.link.page import CANCEL, TIMEOUT

DOOM = Cancelled("while it ran, and had to be killed")


def told(kid) -> list[Order]:
    orders = []
    while (order := kid.told.next(wait=False)) is not None:
        orders.append(order)
    return orders


def test_jobs_that_are_not_begun_come_back_in_order(puppet, plan, jobs) -> None:
    kid, given = puppet(), jobs(4)
    assert kid.give(given, plan(window=4), 0.0)
    kid.begin(1)
    assert kid.take_back() == given[1:]
    assert list(kid.in_hand) == [1]
    assert told(kid) == []


def test_taking_back_eats_no_stop_and_no_interrupt(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.give(jobs(3), plan(window=9, shared="t"), 0.0)
    kid.begin(1)
    kid.interrupt(1, CANCEL, DOOM)
    kid.stop("the worker stopped")
    assert len(kid.take_back()) == 2
    assert told(kid) == [Order(CANCEL, 1), Order(STOP)]


def test_a_job_is_asked_to_end_once_and_a_deaf_one_is_known(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.give(jobs(2), plan(window=9, shared="t"), 0.0)
    kid.interrupt(1, TIMEOUT, TimedOut(1.0, hard=True))
    kid.interrupt(1, CANCEL, DOOM)
    kid.interrupt(7, CANCEL, DOOM)  # it has ended meanwhile
    assert told(kid) == [Order(BEGIN, 1), Order(BEGIN, 2), Order(TIMEOUT, 1)]
    asked = kid.in_hand[1].interrupted_at
    assert not kid.deaf(asked + 0.9)
    assert kid.deaf(asked + 1.1)
    assert isinstance(kid.in_hand[1].doom, TimedOut)


def test_only_the_job_that_runs_can_be_late_but_on_a_loop_each_can(puppet, plan, jobs) -> None:
    one, loop = puppet(), puppet()
    one.give(jobs(2), plan(window=2), 0.0)
    loop.give(jobs(2), plan(window=2, shared="t"), 0.0)
    for kid in (one, loop):
        assert list(kid.late(1e9)) == []
        kid.begin(1)
        assert list(kid.late(59.0)) == []
    assert [number for number, _ in one.late(61.0)] == [1]
    assert [number for number, _ in loop.late(61.0)] == [1, 2]


def test_a_child_that_leaves_is_given_nothing_more_and_gets_the_first_reason(puppet) -> None:
    kid = puppet()
    assert kid.ready
    kid.stop("it has run 3 jobs")
    kid.stop("the worker stopped")
    assert not kid.ready
    assert kid.leaving == "it has run 3 jobs"
    assert told(kid) == [Order(STOP)]


def test_a_child_whose_inbox_is_full_keeps_what_it_had(puppet, plan, jobs) -> None:
    kid, wide = puppet(), plan(window=256)
    while kid.give(jobs(50), wide, 0.0):
        pass
    held = len(kid.in_hand)
    assert held
    assert len(kid.take_back()) == held


def test_output_is_read_until_both_descriptors_are_closed(puppet) -> None:
    kid = puppet()
    os.write(kid.stdout, b"half a word, and \xff")
    assert kid.read_output()
    assert kid.tail.peek() == "half a word, and \N{REPLACEMENT CHARACTER}"


class Ring3:
    """A control group that notes its limits."""

    def __init__(self) -> None:
        self.limits: list[int] = []

    def limit(self, size: int) -> None:
        self.limits.append(size >> 20)

    def remove(self) -> bool:
        return True


def test_the_kernels_limit_follows_what_the_child_keeps(puppet, plan, jobs) -> None:
    kid = puppet()
    kid.group = ring3 = Ring3()
    kid.rest_at(20 << 20)
    same = plan(mib=40)
    for job in jobs(3):
        kid.give([job], same, 0.0)
    kid.rest_at((20 << 20) + 500_000)  # too little to be worth it
    kid.rest_at(30 << 20)
    for_the_job = (same.kill_at >> 20) + 8
    assert ring3.limits == [20 + for_the_job, 30 + for_the_job]
    kid.page.start(2, 1, 35 << 20)
    assert not kid.group_behind  # the slack covers it
    kid.page.start(3, 1, 45 << 20)
    assert kid.group_behind
