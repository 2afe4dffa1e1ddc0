"""Checks: jobs with a key run one at a time and in order, and keys take turns."""

from __future__ import annotations

import threading

from oakum.model.bounds import Rules
from oakum.model.job import DEFAULT_QUEUE, NewJob, State
from oakum.model.outcome import Completed, Failed, Released, Snoozed
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.store.base import Want
from oakum.testing.conformance.bench import ROOM, Bench

RETRYING = TaskSpec("t", retry=(RetryRule(9, delay_s=10, jitter=0),))


def _keyed(bench: Bench, *keys: str, queue: str = DEFAULT_QUEUE, priority: int = 0) -> list[NewJob]:
    jobs = [NewJob(bench.id(), "t", b"p", queue, priority, key=key) for key in keys]
    bench.insert(*jobs)
    return jobs


def _states(bench: Bench, *jobs: NewJob) -> list[State]:
    return [bench.state(job.id) for job in jobs]


def jobs_of_a_key_run_one_at_a_time_and_in_order(bench: Bench) -> None:
    jobs = _keyed(bench, "k", "k", "k")
    worker, other = bench.worker(), bench.worker()
    for place, job in enumerate(jobs):
        assert bench.counts().get(State.HELD, 0) == 2 - place
        claimed = bench.claim_one(worker)
        assert (claimed.id, claimed.key, bench.view(job.id).key) == (job.id, "k", "k")
        assert bench.claim(other) == []
        assert [each.key for each in bench.store.held(worker, 9)] == ["k"]
        bench.end(worker, claimed, Completed())
    assert bench.counts() == {State.COMPLETED: 3}


def other_keys_and_jobs_without_one_are_not_held_up(bench: Bench) -> None:
    first, _, other, elsewhere = (
        *_keyed(bench, "k", "k", "l"),
        *_keyed(bench, "k", queue="other"),
    )
    (plain,) = bench.plain(1)
    claimed = bench.claim(bench.worker(), queues=(DEFAULT_QUEUE, "other"))
    assert [job.id for job in claimed] == [first.id, other.id, plain.id, elsewhere.id]
    assert [job.key for job in claimed] == ["k", "l", None, "k"]


def keys_take_turns(bench: Bench) -> None:
    noisy = _keyed(bench, *["noisy"] * 4)
    bench.clock.advance(1)
    quiet = _keyed(bench, "quiet", "quiet")
    worker = bench.worker()
    order = []
    for _ in range(6):
        bench.clock.advance(1)
        claimed = bench.claim_one(worker)
        order.append(claimed.id)
        bench.end(worker, claimed, Completed())
    turns = [noisy[0], quiet[0], noisy[1], quiet[1], noisy[2], noisy[3]]
    assert order == [job.id for job in turns]


def what_is_to_run_again_keeps_its_place(bench: Bench) -> None:
    first, second = _keyed(bench, "k", "k")
    worker = bench.worker()
    for outcome in (Failed("E"), Snoozed(10.0), Released()):
        claimed = bench.claim_one(worker)
        assert claimed.id == first.id
        bench.end(worker, claimed, outcome, RETRYING)
        assert bench.state(second.id) is State.HELD
        bench.clock.advance(10)
    bench.end(worker, bench.claim_one(worker), Failed("E"))
    assert _states(bench, first, second) == [State.FAILED, State.AVAILABLE]


def a_job_for_later_takes_no_place_before(bench: Bench) -> None:
    later, last = (NewJob(bench.id(), "t", b"", run_at_ms=bench.later(seconds), key="k") for seconds in (10, 20))
    bench.insert(later, last)
    worker = bench.worker()
    (now,) = _keyed(bench, "k")
    claimed = bench.claim_one(worker)
    assert claimed.id == now.id
    bench.clock.advance(10)
    assert bench.store.promote(bench.now) == 1
    assert _states(bench, later, last) == [State.HELD, State.SCHEDULED]
    bench.end(worker, claimed, Completed())
    assert bench.claim_one(worker).id == later.id
    bench.clock.advance(10)
    assert bench.claim(worker) == []
    assert bench.state(last.id) is State.HELD


def one_that_comes_first_takes_the_place_of_one_not_started(bench: Bench) -> None:
    (cheap,) = _keyed(bench, "k")
    (dear,) = _keyed(bench, "k", priority=5)
    (dearer,) = _keyed(bench, "k", priority=9)
    (last,) = _keyed(bench, "k", priority=-1)
    assert _states(bench, cheap, dear, dearer, last) == [State.HELD, State.HELD, State.AVAILABLE, State.HELD]
    worker = bench.worker()
    for job in (dearer, dear, cheap, last):
        claimed = bench.claim_one(worker)
        assert claimed.id == job.id
        bench.end(worker, claimed, Completed())


def what_has_started_keeps_its_place_before_any_other(bench: Bench) -> None:
    (first,) = _keyed(bench, "k")
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    (dear,) = _keyed(bench, "k", priority=5)
    assert bench.state(dear.id) is State.HELD
    bench.end(worker, claimed, Released())
    (dearer,) = _keyed(bench, "k", priority=9)
    assert _states(bench, first, dear, dearer) == [State.AVAILABLE, State.HELD, State.HELD]


def a_queue_may_run_more_of_each_key(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(key_limit=2)})
    jobs = _keyed(bench, "k", "k", "k", "l")
    worker = bench.worker()
    claimed = bench.claim(worker)
    assert [job.id for job in claimed] == [jobs[0].id, jobs[1].id, jobs[3].id]
    bench.end(worker, claimed[0], Completed())
    assert bench.claim_one(worker).id == jobs[2].id


def more_places_are_taken_at_once_and_fewer_as_jobs_end(bench: Bench) -> None:
    jobs = _keyed(bench, *["k"] * 6)
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(key_limit=2)})
    assert _states(bench, *jobs[:3]) == [State.AVAILABLE, State.AVAILABLE, State.HELD]
    bench.store.override("queue", DEFAULT_QUEUE, Rules(key_limit=3))
    worker = bench.worker()
    claimed = bench.claim(worker)
    assert [job.id for job in claimed] == [job.id for job in jobs[:3]]
    bench.store.override("queue", DEFAULT_QUEUE, Rules(key_limit=2))
    bench.end(worker, claimed[0], Completed())
    assert bench.claim(worker) == []
    bench.end(worker, claimed[1], Completed())
    assert bench.claim_one(worker).id == jobs[3].id


def more_places_are_for_every_key_of_their_queue_alone(bench: Bench) -> None:
    here = _keyed(bench, *["a", "b", "*"] * 2)
    elsewhere = _keyed(bench, "a", "a", queue="other")
    bench.store.override("queue", DEFAULT_QUEUE, Rules(key_limit=2))
    assert _states(bench, *here) == [State.AVAILABLE] * 6
    assert _states(bench, *elsewhere) == [State.AVAILABLE, State.HELD]
    assert bench.counts() == {State.AVAILABLE: 7, State.HELD: 1}


def a_place_is_given_back_by_whatever_ends_a_job(bench: Bench) -> None:
    expiring = NewJob(bench.id(), "t", b"", key="k", expires_ms=bench.later(10))
    bench.insert(expiring)
    second, third, fourth = _keyed(bench, "k", "k", "k")
    bench.clock.advance(10)
    assert bench.store.promote(bench.now) == 1
    assert _states(bench, expiring, second) == [State.EXPIRED, State.AVAILABLE]
    bench.store.cancel([second.id], bench.now)
    assert bench.state(third.id) is State.AVAILABLE
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    bench.store.cancel([third.id], bench.now)
    assert bench.state(fourth.id) is State.HELD
    bench.end(worker, claimed, Released())
    assert _states(bench, third, fourth) == [State.CANCELLED, State.AVAILABLE]


def held_jobs_end_where_they_are(bench: Bench) -> None:
    _keyed(bench, "k")
    expiring = NewJob(bench.id(), "t", b"", key="k", expires_ms=bench.later(10))
    bench.insert(expiring)
    cancelled, last = _keyed(bench, "k", "k")
    assert bench.store.next_due(bench.now) == bench.later(10)
    assert bench.store.cancel([cancelled.id], bench.now) == {cancelled.id: State.CANCELLED}
    bench.clock.advance(10)
    assert bench.store.promote(bench.now) == 1
    assert _states(bench, cancelled, expiring, last) == [State.CANCELLED, State.EXPIRED, State.HELD]
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Completed())
    assert bench.claim_one(worker).id == last.id


def a_copy_has_the_key_again(bench: Bench) -> None:
    old, running = _keyed(bench, "k", "k")
    bench.store.cancel([old.id], bench.now)
    copy = bench.id()
    assert bench.store.retry({old.id: copy}, bench.now) == {old.id: copy}
    assert _states(bench, running, NewJob(copy, "t", b"")) == [State.AVAILABLE, State.HELD]
    assert bench.view(copy).key == "k"


def many_at_once_keep_each_key_in_order(bench: Bench) -> None:
    jobs = _keyed(bench, *["a", "b", "c"] * 20)
    place = {job.id: number for number, job in enumerate(jobs)}
    users = [bench.store, bench.another(), bench.store, bench.another()]
    wants = [Want(bench.worker(), (DEFAULT_QUEUE,), {"t": 1}, ROOM, 2) for _ in users]
    turn, running, ended, faults = threading.Lock(), set[str | None](), dict[str | None, int](), list[str]()

    def work(number: int) -> None:
        while len(faults) == 0 and bench.counts().get(State.COMPLETED, 0) < len(jobs):
            for job in users[number].claim(wants[number], bench.now):
                with turn:
                    if job.key in running or place[job.id] < ended.get(job.key, -1):
                        faults.append(f"{job.key}: {place[job.id]} beside {running}, after {ended}")
                    running.add(job.key)
                with turn:
                    running.discard(job.key)
                    ended[job.key] = place[job.id]
                users[number].settle([bench.judge(job, Completed())], wants[number].holder, bench.now)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(users))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert bench.counts() == {State.COMPLETED: len(jobs)}


def who_gives_way_keeps_its_turn(bench: Bench) -> None:
    """A job that was next and gives way to one of a higher priority comes before those of its key that came after it."""
    _, one, two = _keyed(bench, "k", "k", "k")
    worker = bench.worker()
    bench.clock.advance(5)
    bench.end(worker, bench.claim_one(worker), Completed())  # the second is next now
    bench.clock.advance(5)
    (urgent,) = _keyed(bench, "k", priority=5)
    order = []
    for _ in range(3):
        job = bench.claim_one(worker)
        order.append(job.id)
        bench.clock.advance(1)
        bench.end(worker, job, Completed())
    assert order == [urgent.id, one.id, two.id]
