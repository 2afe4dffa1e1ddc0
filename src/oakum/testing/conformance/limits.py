"""Checks: how many jobs of a task or a queue run at once, and how many start in a period, over all workers."""

from __future__ import annotations

import threading

from oakum.model.bounds import Rate, Rules
from oakum.model.job import DEFAULT_QUEUE, Claimed, NewJob, State
from oakum.model.outcome import Completed, Failed, Released
from oakum.store.base import Spent, Want
from oakum.testing.conformance.bench import ROOM, Bench

BOTH = (DEFAULT_QUEUE, "other")
TWO = Rules(limit=2)
TWO_IN_TEN_S = Rules(rate=Rate(2, 10_000))


def _ids(jobs: list[Claimed] | list[NewJob]) -> list[bytes]:
    return [job.id for job in jobs]


def no_more_of_a_task_run_than_its_limit(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO})
    jobs = [*bench.plain(2), *bench.plain(2, queue="other")]
    worker, other = bench.worker(), bench.worker()
    first = bench.claim(worker, queues=("other", DEFAULT_QUEUE), limit=1)
    second = bench.claim(other, queues=BOTH)
    assert _ids([*first, *second]) == [jobs[2].id, jobs[0].id]
    assert bench.claim(worker, queues=BOTH) == []
    bench.end(worker, first[0], Completed())
    assert _ids(bench.claim(other, queues=BOTH)) == [jobs[1].id]


def no_more_of_a_queue_run_than_its_limit(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: TWO})
    jobs = [*bench.plain(1), *bench.plain(2, task="u")]
    (elsewhere,) = bench.plain(1, queue="other")
    worker = bench.worker()
    claimed = bench.claim(worker, {"t": 1, "u": 1}, queues=BOTH)
    assert _ids(claimed) == [jobs[0].id, jobs[1].id, elsewhere.id]
    assert bench.claim(worker, {"t": 1, "u": 1}, queues=BOTH) == []
    bench.end(worker, claimed[1], Released())
    assert _ids(bench.claim(worker, {"t": 1, "u": 1})) == [jobs[1].id]


def a_task_at_its_limit_holds_nobody_up(bench: Bench) -> None:
    bench.store.declare("task", {"limited": TWO})
    limited, free = bench.plain(20, task="limited"), bench.plain(3)
    weights = {"limited": 1, "t": 1}
    worker = bench.worker()
    assert _ids(bench.claim(worker, weights)) == _ids([*limited[:2], *free])
    assert bench.claim(worker, weights) == []
    assert bench.counts() == {State.RUNNING: 5, State.AVAILABLE: 18}


def limits_of_queue_and_task_hold_together(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO})
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(limit=3)})
    limited, free = bench.plain(3), bench.plain(3, task="u")
    claimed = bench.claim(bench.worker(), {"t": 1, "u": 1})
    assert _ids(claimed) == _ids([*limited[:2], free[0]])


def a_limit_that_changes_holds_from_the_next_claim(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO})
    bench.plain(9)
    worker = bench.worker()
    claimed = bench.claim(worker)
    bench.another().override("task", "t", Rules(limit=4))
    claimed += bench.claim(worker)
    assert len(claimed) == 4
    bench.store.override("task", "t", Rules(limit=1))
    for job in claimed[:3]:
        bench.end(worker, job, Completed())
        assert bench.claim(worker) == []
    bench.end(worker, claimed[3], Completed())
    assert len(bench.claim(worker)) == 1
    bench.store.override("task", "t", Rules())
    assert len(bench.claim(worker)) == 4


def no_more_start_in_a_period_than_the_rate(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO_IN_TEN_S})
    bench.plain(9)
    worker = bench.worker()
    first = bench.claim(worker)
    assert len(first) == 2
    for job in first:
        bench.end(worker, job, Completed())
    assert bench.claim(worker) == []
    assert bench.store.next_due(bench.now) == bench.later(5)
    bench.clock.advance(4.999)
    assert bench.claim(worker) == []
    bench.clock.advance(0.001)
    assert len(bench.claim(worker)) == 1
    assert bench.store.next_due(bench.now) == bench.later(5)
    bench.clock.advance(60)
    assert len(bench.claim(worker)) == 2


def a_start_counts_however_it_ends(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO_IN_TEN_S})
    bench.plain(1)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Released())
    bench.end(worker, bench.claim_one(worker), Failed("E"))
    bench.plain(1)
    assert bench.claim(worker) == []


def a_rate_that_nobody_waits_for_is_nothing_to_wait_for(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO_IN_TEN_S})
    bench.plain(2)
    worker = bench.worker()
    assert len(bench.claim(worker)) == 2
    assert bench.store.next_due(bench.now) is None
    bench.insert(NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60)))
    assert bench.store.next_due(bench.now) == bench.later(60)


def rates_that_are_spent_are_told_as_long_as_jobs_wait_for_them(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO_IN_TEN_S, "u": TWO_IN_TEN_S})
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(rate=Rate(2, 60_000)), "other": TWO_IN_TEN_S})
    bench.plain(3)
    assert bench.store.spent(bench.now) == []
    worker = bench.worker()
    claimed = bench.claim(worker)
    told = sorted(bench.store.spent(bench.now), key=lambda each: each.kind)
    assert told == [Spent("queue", DEFAULT_QUEUE, bench.later(30)), Spent("task", "t", bench.later(5))]
    bench.clock.advance(5)
    assert [each.kind for each in bench.store.spent(bench.now)] == ["queue"]
    bench.clock.advance(25)
    bench.end(worker, bench.claim_one(worker), Completed())
    assert len(claimed) == 2 and bench.store.spent(bench.now) == [], "nobody waits"


def a_task_in_two_queues_has_one_rate(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO_IN_TEN_S})
    bench.plain(2)
    bench.plain(2, queue="other")
    assert len(bench.claim(bench.worker(), queues=("other",), limit=1)) == 1
    assert len(bench.claim(bench.worker(), queues=BOTH)) == 1


def a_queues_rate_is_for_all_its_tasks(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: TWO_IN_TEN_S})
    bench.plain(1)
    bench.plain(2, task="u")
    (elsewhere,) = bench.plain(1, queue="other")
    claimed = bench.claim(bench.worker(), {"t": 1, "u": 1}, queues=BOTH)
    assert [(job.task, job.queue) for job in claimed] == [
        ("t", DEFAULT_QUEUE), ("u", DEFAULT_QUEUE), ("t", elsewhere.queue),
    ]  # fmt: skip


def a_rate_is_remembered_by_the_store(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO_IN_TEN_S})
    bench.plain(4)
    bench.claim(bench.worker())
    bench.store.close()
    other = bench.another()
    other.declare("task", {"t": TWO_IN_TEN_S})
    assert other.claim(Want(bench.worker(), (DEFAULT_QUEUE,), {"t": 1}, ROOM, 9), bench.now) == []


def a_key_whose_rate_is_spent_waits_and_keeps_its_place(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(key_rate=Rate(1, 10_000))})
    first, second, third = (NewJob(bench.id(), "t", b"", key="k") for _ in range(3))
    other = NewJob(bench.id(), "t", b"", key="l")
    bench.insert(first, second, third, other)
    worker = bench.worker()
    claimed = bench.claim(worker)
    assert _ids(claimed) == [first.id, other.id]
    bench.end(worker, claimed[0], Completed())
    assert bench.claim(worker) == []
    assert (bench.state(second.id), bench.view(second.id).run_at_ms) == (State.SCHEDULED, bench.later(10))
    assert bench.store.next_due(bench.now) == bench.later(10)
    assert bench.state(third.id) is State.HELD
    assert bench.claim(worker, limit=9) == bench.claim(worker, queues=("other",)) == []
    bench.clock.advance(10)
    assert bench.claim_one(worker).id == second.id
    assert bench.state(third.id) is State.HELD


def a_key_keeps_its_rate_when_all_its_jobs_are_gone(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(key_rate=Rate(1, 10_000))})
    worker = bench.worker()
    bench.insert(NewJob(bench.id(), "t", b"", key="k"))
    bench.end(worker, bench.claim_one(worker), Completed())
    bench.clock.advance(5)
    bench.store.prune(bench.now)
    bench.insert(NewJob(bench.id(), "t", b"", key="k"))
    assert bench.claim(worker) == []
    bench.clock.advance(5)
    assert len(bench.claim(worker)) == 1


def many_at_once_do_not_pass_a_limit(bench: Bench) -> None:
    bench.store.declare("task", {"t": TWO})
    jobs = bench.plain(40)
    users = [bench.store, bench.another(), bench.store, bench.another()]
    wants = [Want(bench.worker(), (DEFAULT_QUEUE,), {"t": 1}, ROOM, 3) for _ in users]
    turn, running, most = threading.Lock(), set[bytes](), [0]

    def work(number: int) -> None:
        while bench.counts().get(State.COMPLETED, 0) < len(jobs):
            claimed = users[number].claim(wants[number], bench.now)
            with turn:
                running.update(job.id for job in claimed)
                most[0] = max(most[0], len(running))
            with turn:
                running.difference_update(job.id for job in claimed)
            users[number].settle([bench.judge(job, Completed()) for job in claimed], wants[number].holder, bench.now)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(users))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [2]
    assert bench.counts() == {State.COMPLETED: len(jobs)}
