"""Checks: a queue that has a bound never holds more, and says what it did to keep it."""

from __future__ import annotations

import threading
from random import Random

from msgspec.structs import replace

from oakum.errors import NotEnqueued, QueueFull, StoreFull
from oakum.model.bounds import NO_RULES, Ruled, Rules
from oakum.model.job import DEFAULT_QUEUE, NewJob, State, Unique
from oakum.model.outcome import Completed, Expired, Failed, Released
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.testing.conformance.bench import PATIENCE_S, Bench
from oakum.units import MIB

RETRYING = TaskSpec("t", retry=(RetryRule(9, delay_s=10, jitter=0),))
THREE = Rules(max_jobs=3, on_full="reject")


def _bound(bench: Bench, rules: Rules, queue: str = DEFAULT_QUEUE) -> None:
    bench.store.declare("queue", {queue: rules})


def a_full_queue_refuses_with_the_figures(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=3, max_bytes=100))
    bench.plain(2)
    error = bench.refused(QueueFull, *bench.jobs(2))
    assert (error.queue, error.jobs, error.bytes) == (DEFAULT_QUEUE, 2, 2)
    assert (error.max_jobs, error.max_bytes, error.on_full) == (3, 100, "block")
    assert DEFAULT_QUEUE in str(error) and "2 of 3 jobs" in str(error)
    bench.plain(1)
    assert bench.refused(QueueFull, *bench.jobs(1)).jobs == 3


def a_batch_that_does_not_fit_stays_out_as_a_whole(bench: Bench) -> None:
    _bound(bench, THREE)
    elsewhere = bench.jobs(1, queue="other")
    bench.refused(QueueFull, *elsewhere, *bench.jobs(4))
    assert bench.counts() == {}
    bench.insert(*elsewhere, *bench.jobs(3))
    assert bench.counts() == {State.AVAILABLE: 4}


def a_bound_holds_for_its_queue_alone(bench: Bench) -> None:
    _bound(bench, THREE)
    bench.plain(3)
    bench.plain(9, queue="other")
    assert bench.counts() == {State.AVAILABLE: 12}


def a_bound_of_bytes_counts_payloads(bench: Bench) -> None:
    _bound(bench, Rules(max_bytes=10, on_full="reject"))
    bench.insert(NewJob(bench.id(), "t", b"seven.."), NewJob(bench.id(), "u", b"..."))
    assert bench.refused(QueueFull, NewJob(bench.id(), "t", b".")).bytes == 10
    bench.insert(NewJob(bench.id(), "t", b""))


def a_bound_counts_whatever_has_not_ended(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=5, on_full="reject"))
    running, failing = bench.plain(2)
    worker = bench.worker()
    first, second = bench.claim(worker)
    later = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60))
    placed, held = (NewJob(bench.id(), "t", b"", key="k") for _ in range(2))
    bench.insert(later, placed, held)
    bench.end(worker, second, Failed("E"), RETRYING)
    assert bench.counts() == {State.RUNNING: 1, State.SCHEDULED: 2, State.AVAILABLE: 1, State.HELD: 1}
    assert bench.refused(QueueFull, *bench.jobs(1)).jobs == 5
    bench.end(worker, first, Completed())
    bench.store.cancel([failing.id, held.id, running.id], bench.now)
    bench.plain(3)
    assert bench.refused(QueueFull, *bench.jobs(1)).jobs == 5


def work_that_comes_back_is_never_refused(bench: Bench) -> None:
    _bound(bench, THREE)
    bench.plain(3)
    worker = bench.worker()
    released, failed, _ = bench.claim(worker)
    bench.end(worker, released, Released())
    bench.end(worker, failed, Failed("E"), RETRYING)
    bench.store.override("queue", DEFAULT_QUEUE, Rules(max_jobs=1))
    bench.clock.advance(10)
    assert bench.store.promote(bench.now) == 1
    assert len(bench.claim(worker)) == 2


def what_is_passed_over_takes_no_room(bench: Bench) -> None:
    _bound(bench, THREE)
    jobs = bench.plain(2)
    unique = NewJob(bench.id(), "t", b"", unique=Unique(b"k"))
    bench.insert(unique)
    assert bench.insert(*jobs, unique) == []
    (mark,) = bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k")))
    assert mark.id == unique.id
    assert bench.refused(QueueFull, *jobs, *bench.jobs(1)).jobs == 3


def the_oldest_make_room_and_their_records_say_why(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=3, on_full="drop_oldest"))
    dear = NewJob(bench.id(), "t", b"", priority=9)
    later = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60))
    bench.insert(dear, later)
    (third,) = bench.plain(1)
    assert bench.insert(*bench.jobs(2)) == []
    assert [bench.state(job.id) for job in (dear, later, third)] == [State.EXPIRED, State.EXPIRED, State.AVAILABLE]
    reason = "dropped: queue default is at its bound of 3 jobs"
    assert bench.record(dear.id).outcome == Expired(reason)
    assert bench.view(dear.id).ended_ms == bench.now.wall_ms
    assert bench.counts() == {State.EXPIRED: 2, State.AVAILABLE: 3}
    assert bench.store.next_due(bench.now) is None


def of_a_batch_beyond_the_bound_the_last_stay(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=3, on_full="drop_oldest"))
    before, jobs = bench.plain(2), bench.jobs(5)
    bench.insert(*jobs)
    assert {bench.state(job.id) for job in (*before, *jobs[:2])} == {State.EXPIRED}
    assert {bench.state(job.id) for job in jobs[2:]} == {State.AVAILABLE}


def what_runs_does_not_make_room(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=2, on_full="drop_oldest"))
    bench.plain(2)
    worker = bench.worker()
    job = bench.claim_one(worker)
    (new,) = bench.plain(1)
    assert bench.counts() == {State.RUNNING: 1, State.AVAILABLE: 1, State.EXPIRED: 1}
    assert [job.id for job in bench.claim(worker)] == [new.id]
    assert bench.refused(QueueFull, *bench.jobs(1)).on_full == "drop_oldest"
    bench.end(worker, job, Completed())
    bench.plain(1)


def the_newest_are_in_as_expired(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=3, max_bytes=1024, on_full="drop_newest"))
    first, jobs = bench.plain(1), bench.jobs(4)
    assert bench.insert(*jobs) == []
    assert {bench.state(job.id) for job in (*first, *jobs[:2])} == {State.AVAILABLE}
    assert {bench.state(job.id) for job in jobs[2:]} == {State.EXPIRED}
    reason = "dropped: queue default is at its bound of 3 jobs and 1.00 KiB"
    assert bench.record(jobs[3].id).outcome == Expired(reason)


def what_was_dropped_gives_its_keys_back(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=2, on_full="drop_oldest"))
    first, heir = (NewJob(bench.id(), "t", b"", unique=Unique(b"k"), key="k") for _ in range(2))
    behind = NewJob(bench.id(), "t", b"", key="k")
    bench.insert(first, behind)
    assert bench.state(behind.id) is State.HELD
    bench.plain(1)
    assert (bench.state(first.id), bench.state(behind.id)) == (State.EXPIRED, State.AVAILABLE)
    assert bench.insert(heir) == []


def what_follows_into_a_full_queue_changes_nothing(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=1, on_full="reject"), "next")
    (job,) = bench.plain(1)
    bench.plain(1, queue="next")
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    settlement = replace(bench.judge(claimed, Completed()), follow=tuple(bench.jobs(1, queue="next")))
    try:
        bench.settle(worker, settlement)
    except QueueFull:
        pass
    else:
        raise AssertionError("a full queue took one more")
    assert bench.state(job.id) is State.RUNNING
    bench.end(worker, claimed, Completed())


def an_operators_rules_hold_instead_of_the_codes(bench: Bench) -> None:
    _bound(bench, THREE)
    said = Rules(max_jobs=5, on_full="reject")
    bench.another().override("queue", DEFAULT_QUEUE, said)
    bench.plain(5)
    bench.refused(QueueFull, *bench.jobs(1))
    _bound(bench, Rules(max_jobs=4))
    assert bench.store.rules("queue") == {DEFAULT_QUEUE: Ruled(Rules(max_jobs=4), said)}
    assert bench.store.rules("task") == {}
    bench.store.override("queue", DEFAULT_QUEUE, None)
    assert bench.refused(QueueFull, *bench.jobs(1)).max_jobs == 4


def a_bound_below_what_waits_takes_nothing_away(bench: Bench) -> None:
    bench.plain(5)
    bench.store.override("queue", DEFAULT_QUEUE, THREE)
    assert bench.counts() == {State.AVAILABLE: 5}
    bench.refused(QueueFull, *bench.jobs(1))
    assert len(bench.claim(bench.worker())) == 5


def what_has_no_bound_has_no_rules(bench: Bench) -> None:
    _bound(bench, NO_RULES)
    bench.store.override("task", "t", THREE)
    bench.store.override("task", "t", None)
    bench.store.override("queue", "never used", THREE)
    assert bench.store.rules("queue") == {"never used": Ruled(NO_RULES, THREE)}
    assert bench.store.rules("task") == {}


def a_bell_rings_for_room(bench: Bench) -> None:
    _bound(bench, THREE)
    jobs = bench.plain(3)
    worker = bench.worker()
    bell = bench.another().listen("room")
    bench.end(worker, bench.claim_one(worker), Completed())
    assert bell.wait(PATIENCE_S)
    bench.store.cancel([jobs[2].id], bench.now)
    assert bell.wait(PATIENCE_S)
    bench.store.override("queue", DEFAULT_QUEUE, Rules(max_jobs=9))
    assert bell.wait(PATIENCE_S)
    bell.close()


def what_expires_makes_room_and_rings(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=1, on_full="reject"))
    worker = bench.worker()
    bells = [bench.another().listen(topic) for topic in ("room", "results")]
    for expire in (lambda: bench.store.promote(bench.now), lambda: bench.claim(worker)):
        bench.insert(NewJob(bench.id(), "t", b"", expires_ms=bench.later(10)))
        bench.refused(QueueFull, *bench.jobs(1))
        bench.clock.advance(10)
        expire()
        assert [bell.wait(PATIENCE_S) for bell in bells] == [True, True]
    bench.plain(1)
    for bell in bells:
        bell.close()


def a_store_at_its_own_bound_takes_no_more_and_goes_on(bench: Bench) -> None:
    before = bench.store.space()
    bench.store.declare("store", {"": Rules(max_bytes=before.used + MIB)})
    limit = bench.store.space().limit
    assert limit is not None and (before.limit is None or limit < before.limit)
    jobs = _fill(bench)
    for _ in range(2):
        error = bench.refused(NotEnqueued, *bench.jobs(1))
        assert isinstance(error.__cause__, StoreFull) and "raise max_store" in str(error)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    bench.end(worker, claimed, Released())
    bench.store.cancel([job.id for job in jobs], bench.now)
    bench.store.override("store", "", Rules(max_bytes=before.used + 1024 * MIB))
    bench.plain(1)
    assert bench.counts()[State.AVAILABLE] == 1


def _fill(bench: Bench) -> list[NewJob]:
    """Jobs until the store takes no more."""
    jobs: list[NewJob] = []
    chance = Random(4)  # which nobody compresses
    for _ in range(1000):
        job = NewJob(bench.id(), "t", chance.randbytes(16_384))
        try:
            bench.insert(job)
        except NotEnqueued:
            return jobs
        jobs.append(job)
    raise AssertionError("a store took 16 MiB that may hold one")


def many_at_once_do_not_pass_a_bound(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=50, on_full="reject"))
    users = [bench.store, bench.another(), bench.store, bench.another()]
    refused: list[int] = []

    def fill(place: int, batches: list[list[NewJob]]) -> None:
        for batch in batches:
            try:
                users[place].insert(batch, bench.now)
            except QueueFull as full:
                refused.append(full.jobs)

    batches = [[bench.jobs(3) for _ in range(10)] for _ in users]
    threads = [threading.Thread(target=fill, args=each) for each in enumerate(batches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (bench.counts(), len(refused)) == ({State.AVAILABLE: 48}, 24)
    assert max(refused) == 48


def many_at_once_drop_no_more_than_they_must(bench: Bench) -> None:
    _bound(bench, Rules(max_jobs=20, on_full="drop_oldest"))
    users = [bench.store, bench.another(), bench.store, bench.another()]
    batches = [[bench.jobs(2) for _ in range(10)] for _ in users]

    def fill(place: int) -> None:
        for batch in batches[place]:
            users[place].insert(batch, bench.now)

    threads = [threading.Thread(target=fill, args=(place,)) for place in range(len(users))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.counts() == {State.AVAILABLE: 20, State.EXPIRED: 60}
