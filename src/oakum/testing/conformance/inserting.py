"""Checks: what goes in, once; and keys that let only one in."""

from __future__ import annotations

from oakum.model.job import NewJob, Overrides, State, Unique
from oakum.model.outcome import Completed, Failed
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.store.base import Mark
from oakum.testing.conformance.bench import Bench

DAY_S = 86_400


def a_new_job_is_available(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"payload")
    assert bench.insert(job) == []
    assert bench.store.outcome(job.id) == (State.AVAILABLE, None)
    assert bench.counts() == {State.AVAILABLE: 1}


def all_of_a_job_comes_back(bench: Bench) -> None:
    job = NewJob(
        id=bench.id(),
        task="t",
        payload=bytes(range(256)),
        queue="the queue",
        priority=-7,
        run_at_ms=bench.later(-5),
        expires_ms=bench.later(60),
        unique=Unique(b"u"),
        idempotency=b"i",
        overrides=Overrides(timeout_s=1.5, memory=1 << 40, memory_max=1 << 41, retries=3, result_ttl_s=0.0),
        tags=("one", "zwei"),
        parent=bench.id(),
    )
    bench.insert(job)
    view = bench.view(job.id)
    assert (view.id, view.task, view.queue, view.priority) == (job.id, "t", "the queue", -7)
    assert (view.run_at_ms, view.expires_ms, view.created_ms) == (job.run_at_ms, job.expires_ms, bench.now.wall_ms)
    assert (view.payload, view.tags, view.parent) == (job.payload, job.tags, job.parent)
    (claimed,) = bench.claim(bench.worker(), queues=("the queue",))
    assert (claimed.id, claimed.task, claimed.queue, claimed.payload) == (job.id, "t", "the queue", job.payload)
    assert (claimed.overrides, claimed.tags, claimed.token) == (job.overrides, job.tags, 1)


def to_insert_nothing_changes_nothing(bench: Bench) -> None:
    assert bench.insert() == []
    assert bench.counts() == {}


def an_id_goes_in_once(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"first")
    bench.insert(job)
    assert bench.insert(NewJob(job.id, "t", b"second")) == []
    assert bench.counts() == {State.AVAILABLE: 1}
    assert bench.view(job.id).payload == b"first"


def an_id_goes_in_once_even_when_it_has_ended(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Completed())
    assert bench.insert(job) == []
    assert bench.counts() == {State.COMPLETED: 1}


def a_call_repeated_after_the_end_takes_no_key(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"", unique=Unique(b"k"))
    bench.insert(job)
    bench.store.cancel([job.id], bench.now)
    assert bench.insert(job) == []
    assert bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k"))) == []
    assert bench.counts() == {State.CANCELLED: 1, State.AVAILABLE: 1}


def old_and_new_ids_in_one_call(bench: Bench) -> None:
    old = bench.plain(3)
    new = [NewJob(bench.id(), "u", b""), NewJob(bench.id(), "u", b"", "other", run_at_ms=bench.later(5))]
    assert bench.insert(old[0], new[0], old[1], new[0], new[1], old[2]) == []
    assert bench.counts() == {State.AVAILABLE: 4, State.SCHEDULED: 1}
    assert {(count.queue, count.task, count.jobs) for count in bench.store.counts()} == {
        ("default", "t", 3), ("default", "u", 1), ("other", "u", 1),
    }  # fmt: skip


def a_job_for_later_is_scheduled(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(10))
    bench.insert(job)
    assert bench.state(job.id) is State.SCHEDULED
    assert bench.view(job.id).run_at_ms == bench.later(10)
    assert bench.claim(bench.worker()) == []


def a_unique_key_lets_one_in_as_long_as_that_lives(bench: Bench) -> None:
    first = NewJob(bench.id(), "t", b"", unique=Unique(b"k"), run_at_ms=bench.later(10))
    second = NewJob(bench.id(), "t", b"", unique=Unique(b"k"))
    worker = bench.worker()
    bench.insert(first)
    assert bench.insert(second) == [Mark(0, first.id)]  # scheduled
    bench.clock.advance(11)
    job = bench.claim_one(worker)
    assert bench.insert(second) == [Mark(0, first.id)]  # running
    bench.end(worker, job, Failed("E"), TaskSpec("t", retry=(RetryRule(1),)))
    assert bench.insert(second) == [Mark(0, first.id)]  # to run again
    bench.clock.advance(3600)
    bench.end(worker, bench.claim_one(worker), Completed())
    assert bench.insert(second) == []
    assert bench.counts() == {State.COMPLETED: 1, State.AVAILABLE: 1}


def a_unique_key_counts_within_a_call(bench: Bench) -> None:
    first, second = (NewJob(bench.id(), "t", b"", unique=Unique(b"k")) for _ in range(2))
    plain = NewJob(bench.id(), "t", b"")
    assert bench.insert(plain, first, second) == [Mark(2, first.id)]
    assert bench.counts() == {State.AVAILABLE: 2}


def a_repeated_call_is_no_stranger_to_its_own_keys(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"", unique=Unique(b"k"), idempotency=b"k")
    bench.insert(job)
    assert bench.insert(job) == []
    assert bench.counts() == {State.AVAILABLE: 1}


def unique_and_idempotency_keys_are_two_kinds(bench: Bench) -> None:
    assert (
        bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k")), NewJob(bench.id(), "t", b"", idempotency=b"k"))
        == []
    )


def of_two_keys_the_unique_one_is_named(bench: Bench) -> None:
    one, two = NewJob(bench.id(), "t", b"", unique=Unique(b"k")), NewJob(bench.id(), "t", b"", idempotency=b"k")
    bench.insert(one, two)
    assert bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k"), idempotency=b"k")) == [Mark(0, one.id)]


def a_cancelled_job_gives_its_unique_key_back(bench: Bench) -> None:
    first, second = (NewJob(bench.id(), "t", b"", unique=Unique(b"k")) for _ in range(2))
    bench.insert(first)
    bench.store.cancel([first.id], bench.now)
    assert bench.insert(second) == []


def an_expired_job_gives_its_unique_key_back(bench: Bench) -> None:
    bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k"), expires_ms=bench.later(1)))
    bench.clock.advance(2)
    assert bench.store.promote(bench.now) == 1
    assert bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k"))) == []


def an_idempotency_key_is_kept_a_day_past_the_end(bench: Bench) -> None:
    first, second = (NewJob(bench.id(), "t", b"", idempotency=b"k") for _ in range(2))
    worker = bench.worker()
    bench.insert(first)
    bench.clock.advance(2 * DAY_S)
    assert bench.insert(second) == [Mark(0, first.id)]
    bench.end(worker, bench.claim_one(worker), Completed())
    bench.clock.advance(DAY_S - 0.001)
    assert bench.insert(second) == [Mark(0, first.id)]
    bench.clock.advance(0.001)
    assert bench.insert(second) == []


def an_idempotency_key_outlives_its_job(bench: Bench) -> None:
    first, second = (NewJob(bench.id(), "t", b"", idempotency=b"k") for _ in range(2))
    worker = bench.worker()
    bench.insert(first)
    bench.end(worker, bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=60))
    bench.clock.advance(61)
    assert bench.store.prune(bench.now) == 1
    assert bench.insert(second) == [Mark(0, first.id)]
    bench.clock.advance(DAY_S)
    bench.store.prune(bench.now)
    assert bench.insert(second) == []
