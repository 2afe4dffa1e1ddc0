"""Checks: who gets which job, in what order, and never two of them the same."""

from __future__ import annotations

import threading

from oakum.model.job import NewJob, State
from oakum.model.outcome import Completed, Expired, Released
from oakum.model.task import TaskSpec
from oakum.store.base import Want
from oakum.testing.conformance.bench import ROOM, Bench


def jobs_come_by_priority_then_time_then_insertion(bench: Bench) -> None:
    late_but_dear = NewJob(bench.id(), "t", b"", priority=9, run_at_ms=bench.later(-1))
    old = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(-60))
    first, second = NewJob(bench.id(), "t", b""), NewJob(bench.id(), "t", b"")
    cheap = NewJob(bench.id(), "t", b"", priority=-1, run_at_ms=bench.later(-99))
    bench.insert(cheap, first, second, old, late_but_dear)
    order = [job.id for job in bench.claim(bench.worker())]
    assert order == [late_but_dear.id, old.id, first.id, second.id, cheap.id]


def the_order_of_a_queue_is_one_over_all_tasks(bench: Bench) -> None:
    jobs = [NewJob(bench.id(), task, b"", priority=priority) for priority in (2, 1) for task in "abcab"]
    bench.insert(*jobs)
    claimed = bench.claim(bench.worker(), {"a": 1, "b": 1, "c": 1})
    assert [job.id for job in claimed] == [job.id for job in jobs]


def queues_come_in_the_order_of_preference(bench: Bench) -> None:
    low, high = bench.plain(2, queue="low"), bench.plain(2, queue="high")
    bench.plain(1, queue="not asked for")
    claimed = bench.claim(bench.worker(), queues=("high", "none", "low"))
    assert [job.id for job in claimed] == [job.id for job in (*high, *low)]


def only_tasks_that_the_worker_knows(bench: Bench) -> None:
    bench.plain(3, task="unknown here")
    (known,) = bench.plain(1)
    assert [job.id for job in bench.claim(bench.worker())] == [known.id]
    assert bench.counts() == {State.AVAILABLE: 3, State.RUNNING: 1}


def not_more_than_asked_for(bench: Bench) -> None:
    jobs = bench.plain(5)
    worker = bench.worker()
    assert [job.id for job in bench.claim(worker, limit=2)] == [job.id for job in jobs[:2]]
    assert [job.id for job in bench.claim(worker, limit=9)] == [job.id for job in jobs[2:]]
    assert bench.claim(worker) == []


def weights_stay_within_the_room(bench: Bench) -> None:
    jobs = bench.plain(5)
    claimed = bench.claim(bench.worker(), {"t": 30}, room=100)
    assert [job.id for job in claimed] == [job.id for job in jobs[:3]]


def arguments_stay_within_their_bytes(bench: Bench) -> None:
    jobs = [NewJob(bench.id(), task, b"p" * 40, queue) for queue in ("default", "other") for task in "tut"]
    bench.insert(*jobs)
    worker = bench.worker()
    want = Want(worker, ("default", "other"), {"t": 1, "u": 1}, ROOM, 9, payload=170)
    assert [job.id for job in bench.store.claim(want, bench.now)] == [job.id for job in jobs[:4]]
    assert [job.id for job in bench.store.claim(want, bench.now)] == [job.id for job in jobs[4:]]


def one_job_with_more_than_those_bytes_is_claimed_alone(bench: Bench) -> None:
    small, large, last = (NewJob(bench.id(), "t", b"p" * size) for size in (10, 1000, 10))
    bench.insert(small, large, last)
    want = Want(bench.worker(), ("default",), {"t": 1}, ROOM, 9, payload=100)
    claims = [[job.id for job in bench.store.claim(want, bench.now)] for _ in range(4)]
    assert claims == [[small.id], [large.id], [last.id], []]


def the_first_that_does_not_fit_ends_its_queues_turn(bench: Bench) -> None:
    small, _big, _behind = (bench.plain(1, task=task)[0] for task in ("small", "big", "small"))
    (elsewhere,) = bench.plain(1, task="small", queue="other")
    claimed = bench.claim(bench.worker(), {"small": 40, "big": 90}, queues=("default", "other"), room=100)
    assert [job.id for job in claimed] == [small.id, elsewhere.id]


def a_task_that_can_never_fit_holds_nobody_up(bench: Bench) -> None:
    bench.plain(1, task="huge")
    (small,) = bench.plain(1)
    assert [job.id for job in bench.claim(bench.worker(), {"huge": ROOM + 1, "t": 1})] == [small.id]


def each_claim_of_a_job_has_a_higher_token(bench: Bench) -> None:
    bench.plain(1)
    worker, other = bench.worker(), bench.worker()
    first = bench.claim_one(worker)
    bench.end(worker, first, Released())
    second = bench.claim_one(other)
    assert (first.token, second.token) == (1, 2)
    assert first.ref == second.ref


def strangers_and_fenced_workers_get_nothing(bench: Bench) -> None:
    bench.plain(1)
    worker = bench.worker()
    assert bench.claim(worker + 1) == []
    (holder,) = bench.store.holders()
    assert bench.store.fence(worker, holder.lease_until_ms)
    assert bench.claim(worker) == []
    assert bench.counts() == {State.AVAILABLE: 1}


def what_is_due_is_claimed_and_nothing_before(bench: Bench) -> None:
    jobs = [NewJob(bench.id(), "t", b"", run_at_ms=bench.later(seconds)) for seconds in (30, 10, 20)]
    bench.insert(*jobs)
    worker = bench.worker()
    bench.clock.advance(9.999)
    assert bench.claim(worker) == []
    bench.clock.advance(10.001)
    assert [job.id for job in bench.claim(worker)] == [jobs[1].id, jobs[2].id]


def what_is_expired_is_not_claimed(bench: Bench) -> None:
    jobs = [NewJob(bench.id(), "t", b"", expires_ms=bench.later(seconds)) for seconds in (10, 11)]
    bench.insert(*jobs)
    bench.clock.advance(10)
    assert [(job.id, job.expires_ms) for job in bench.claim(bench.worker())] == [(jobs[1].id, jobs[1].expires_ms)]
    assert bench.state(jobs[0].id) is State.EXPIRED
    assert isinstance(bench.record(jobs[0].id).outcome, Expired)


def a_started_job_does_not_expire(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"", expires_ms=bench.later(10))
    bench.insert(job)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    bench.clock.advance(20)
    assert bench.store.promote(bench.now) == 0
    bench.end(worker, claimed, Completed())
    assert bench.state(job.id) is State.COMPLETED


def a_paused_queue_hands_nothing_out(bench: Bench) -> None:
    bench.plain(1)
    (other,) = bench.plain(1, queue="other")
    bench.store.pause("default", True)
    bench.store.pause("default", True)
    assert bench.store.paused() == {"default"}
    assert [job.id for job in bench.claim(bench.worker(), queues=("default", "other"))] == [other.id]
    bench.store.pause("default", False)
    assert bench.store.paused() == frozenset()
    assert len(bench.claim(bench.worker())) == 1


def what_is_held_is_what_was_claimed(bench: Bench) -> None:
    bench.plain(5)
    worker, other = bench.worker(), bench.worker()
    mine, others = bench.claim(worker, limit=3), bench.claim(other)
    assert list(bench.store.held(worker, 10)) == mine
    assert list(bench.store.held(other, 10)) == others
    assert len(bench.store.held(worker, 2)) == 2


def a_ref_is_never_given_again(bench: Bench) -> None:
    worker = bench.worker()
    seen: set[int] = set()
    for _ in range(3):
        bench.plain(2)
        jobs = bench.claim(worker)
        assert not seen & {job.ref for job in jobs}
        seen |= {job.ref for job in jobs}
        for job in jobs:
            bench.end(worker, job, Completed(), TaskSpec("t", result_ttl_s=0))
        assert bench.store.prune(bench.now) == 2


def threads_and_users_share_without_doubling(bench: Bench) -> None:
    jobs = {job.id for job in bench.plain(200)}
    want = [Want(bench.worker(), ("default",), {"t": 1}, ROOM, 7) for _ in range(4)]
    users = [bench.store, bench.another(), bench.store, bench.another()]
    taken: list[bytes] = []

    def take_all(place: int) -> None:
        while claimed := users[place].claim(want[place], bench.now):
            taken.extend(job.id for job in claimed)

    threads = [threading.Thread(target=take_all, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 200
    assert set(taken) == jobs
