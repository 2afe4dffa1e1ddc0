"""Who gets the next job: a turn to spare, an idle child with room, nobody."""

from __future__ import annotations

from oakum.run.worker.fleet import Fleet

MIB = 1024 * 1024


def fleet(*kids, mib: int = 100) -> Fleet:
    made = Fleet(mib * MIB, len(kids))
    made.kids += kids
    return made


def test_the_room_is_what_nobody_rests_on_and_nobody_reserves(puppet, plan, jobs) -> None:
    busy, idle = puppet(resting=10 * MIB), puppet(resting=5 * MIB)
    all_ = fleet(busy, idle)
    all_.supervisor, all_.template = 20 * MIB, 15 * MIB
    busy.give(jobs(), plan(mib=30), 0.0)
    assert (all_.room().free, all_.room().budget) == (20 * MIB, 50 * MIB)
    assert not all_.idle
    assert all_.anyone_idle


def test_an_idle_child_comes_first_and_then_whoever_has_least_to_do(puppet, plan, jobs) -> None:
    one, two = puppet(), puppet()
    all_, wide = fleet(one, two), plan(window=3)
    one.give(jobs(2), wide, 0.0)
    assert all_.place(wide) is two
    two.give(jobs(1), wide, 0.0)
    assert all_.place(wide) is two
    two.give(jobs(2), wide, 0.0)
    assert all_.place(wide) is one
    one.give(jobs(1), wide, 0.0)
    assert all_.place(wide) is None  # both turns are full


def test_a_job_that_does_not_fit_waits_and_one_with_another_limit_does_not_follow(puppet, plan, jobs) -> None:
    one, two = puppet(), puppet()
    all_ = fleet(one, two)
    one.give(jobs(), plan(mib=60, window=5), 0.0)
    assert all_.place(plan(mib=50)) is None
    assert all_.place(plan(mib=40)) is two
    two.give(jobs(), plan(mib=30, window=5), 0.0)
    assert all_.place(plan(mib=31, window=5)) is None
    assert all_.place(plan(mib=30, window=5)) is two


def test_async_jobs_gather_on_one_loop(puppet, plan, jobs) -> None:
    one, two = puppet(), puppet()
    all_, shared = fleet(one, two), plan(window=10, shared="t")
    one.give(jobs(), shared, 0.0)
    assert all_.place(shared) is one
    assert all_.place(plan(window=10, shared="u")) is two


def test_who_runs_alone_has_nobody_beside_it(puppet, plan, jobs) -> None:
    one, two = puppet(), puppet()
    all_ = fleet(one, two)
    one.give(jobs(), plan(mib=1), 0.0)
    assert all_.place(plan(alone=True)) is None
    one.in_hand.clear()
    alone = plan(alone=True, window=5)
    assert all_.place(alone) is one
    one.give(jobs(), alone, 0.0)
    assert all_.place(plan(mib=1)) is None
    assert all_.place(alone) is None


def test_a_slow_or_a_leaving_child_is_given_nothing(puppet, plan, jobs) -> None:
    one, two = puppet(), puppet()
    all_, wide = fleet(one, two), plan(window=5)
    one.give(jobs(), wide, 0.0)
    one.slow = True
    two.stop("it has run 3 jobs")
    assert all_.place(wide) is None
    assert not all_.anyone_idle
    assert all_.missing == 1
    two.slow = True
    assert all_.stuck
