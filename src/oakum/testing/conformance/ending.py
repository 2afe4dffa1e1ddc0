"""Checks: jobs that end without a start, jobs that are tried once more by hand, and what is let go of."""

from __future__ import annotations

from oakum.model.job import NewJob, Overrides, State, Unique
from oakum.model.outcome import Cancelled, Completed, Failed, Released
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.testing.conformance.bench import Bench

RETRYING = TaskSpec("t", retry=(RetryRule(9, delay_s=10, jitter=0),))


def waiting_jobs_are_cancelled_at_once(bench: Bench) -> None:
    jobs = [NewJob(bench.id(), "t", b""), NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60))]
    bench.insert(*jobs)
    ids = [job.id for job in jobs]
    assert bench.store.cancel([*ids, bench.id()], bench.now) == dict.fromkeys(ids, State.CANCELLED)
    assert bench.counts() == {State.CANCELLED: 2}
    assert bench.claim(bench.worker()) == []
    assert isinstance(bench.record(ids[0]).outcome, Cancelled)
    assert bench.view(ids[1]).ended_ms == bench.now.wall_ms
    assert bench.store.next_due(bench.now) is None


def a_running_job_is_asked_to_stop(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker, other = bench.worker(), bench.worker()
    claimed = bench.claim_one(worker)
    assert bench.store.cancelled(worker) == []
    for _ in range(2):
        assert bench.store.cancel([job.id], bench.now) == {job.id: State.RUNNING}
    assert (list(bench.store.cancelled(worker)), list(bench.store.cancelled(other))) == ([claimed.ref], [])
    story = bench.store.story(job.id)
    assert story is not None and story.cancel_asked
    bench.end(worker, claimed, Cancelled("as asked"))
    assert bench.state(job.id) is State.CANCELLED
    assert bench.store.cancelled(worker) == []


def a_running_job_may_be_done_before_it_hears(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    bench.store.cancel([job.id], bench.now)
    bench.end(worker, claimed, Completed(b"done"))
    assert bench.record(job.id).outcome == Completed(b"done")
    story = bench.store.story(job.id)
    assert story is not None and not story.cancel_asked
    assert bench.store.cancelled(worker) == []


def a_job_that_was_to_be_cancelled_does_not_run_again(bench: Bench) -> None:
    jobs = bench.plain(3)
    worker = bench.worker()
    failed, released, untouched = bench.claim(worker)
    bench.store.cancel([jobs[0].id, jobs[1].id], bench.now)
    ends = [bench.judge(job, Failed("E"), RETRYING) for job in (failed, untouched)]
    assert bench.settle(worker, *ends, bench.judge(released, Released())) == []
    assert [bench.state(job.id) for job in jobs] == [State.CANCELLED, State.CANCELLED, State.SCHEDULED]
    assert bench.counts() == {State.CANCELLED: 2, State.SCHEDULED: 1}
    assert isinstance(bench.record(jobs[0].id).outcome, Cancelled)
    assert bench.store.cancelled(worker) == []


def an_ended_job_is_not_cancelled(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Completed(b"kept"))
    assert bench.store.cancel([job.id], bench.now) == {job.id: State.COMPLETED}
    assert bench.record(job.id).outcome == Completed(b"kept")


def many_are_cancelled_in_one_call(bench: Bench) -> None:
    ids = [job.id for job in bench.plain(2500)]
    assert set(bench.store.cancel(ids, bench.now).values()) == {State.CANCELLED}
    assert bench.counts() == {State.CANCELLED: 2500}


def an_ended_job_is_tried_again_as_a_copy(bench: Bench) -> None:
    old = NewJob(
        bench.id(), "t", b"payload", "queue", 3, bench.later(-9), bench.later(60),
        overrides=Overrides(retries=1), tags=("tag",), idempotency=b"i",
    )  # fmt: skip
    running, new = NewJob(bench.id(), "t", b""), bench.id()
    bench.insert(old, running)
    worker = bench.worker()
    (claimed,) = bench.claim(worker, queues=("queue",))
    bench.end(worker, claimed, Failed("E"), TaskSpec("t", retry=(RetryRule(0),)))
    assert bench.state(old.id) is State.SCHEDULED  # one more try, by its override
    assert bench.store.retry({old.id: bench.id()}, bench.now) == {}
    bench.store.cancel([old.id], bench.now)
    ids = {old.id: new, running.id: bench.id(), bench.id(): bench.id()}
    for _ in range(2):
        assert bench.store.retry(ids, bench.now) == {old.id: new}
    view = bench.view(new)
    assert (view.payload, view.queue, view.priority, view.tags, view.parent) == (
        b"payload",
        "queue",
        3,
        ("tag",),
        old.id,
    )
    assert (view.state, view.run_at_ms, view.expires_ms, view.tries) == (State.AVAILABLE, bench.now.wall_ms, None, 0)
    (copy,) = bench.claim(worker, queues=("queue",))
    assert (copy.id, copy.overrides) == (new, old.overrides)
    assert bench.state(old.id) is State.CANCELLED


def a_copy_has_its_unique_key_again_or_is_left_out(bench: Bench) -> None:
    old, other = (NewJob(bench.id(), "t", b"", unique=Unique(b"k")) for _ in range(2))
    copy, too_much = bench.id(), bench.id()
    bench.insert(old)
    bench.store.cancel([old.id], bench.now)
    assert bench.store.retry({old.id: copy}, bench.now) == {old.id: copy}
    assert [mark.id for mark in bench.insert(other)] == [copy]
    assert bench.store.retry({old.id: too_much}, bench.now) == {}
    assert bench.store.outcome(too_much) is None


def promotion_goes_by_time_and_is_bounded(bench: Bench) -> None:
    due = [NewJob(bench.id(), "t", b"", run_at_ms=bench.later(seconds)) for seconds in (3, 1, 2, 60)]
    expiring = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60), expires_ms=bench.later(2))
    bench.insert(*due, expiring)
    assert bench.store.promote(bench.now) == 0
    bench.clock.advance(5)
    assert bench.store.promote(bench.now, limit=2) == 2
    assert [bench.state(job.id) for job in (*due, expiring)] == [
        State.SCHEDULED, State.AVAILABLE, State.SCHEDULED, State.SCHEDULED, State.EXPIRED,
    ]  # fmt: skip
    assert bench.store.promote(bench.now) == 2
    assert bench.store.promote(bench.now) == 0
    assert bench.counts() == {State.AVAILABLE: 3, State.SCHEDULED: 1, State.EXPIRED: 1}


def the_next_moment_to_look_is_known(bench: Bench) -> None:
    assert bench.store.next_due(bench.now) is None
    bench.plain(1)
    assert bench.store.next_due(bench.now) is None
    bench.insert(NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60)))
    assert bench.store.next_due(bench.now) == bench.later(60)
    bench.insert(NewJob(bench.id(), "t", b"", expires_ms=bench.later(30)))
    assert bench.store.next_due(bench.now) == bench.later(30)
    bench.claim(bench.worker())
    assert bench.store.next_due(bench.now) == bench.later(60)


def only_ended_jobs_are_let_go_of_and_only_in_time(bench: Bench) -> None:
    worker = bench.worker()
    short, long = bench.plain(2)
    for ttl_s in (10.0, 1000.0):
        bench.end(worker, bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=ttl_s))
    bench.plain(1)
    bench.claim_one(worker)
    bench.plain(1)
    bench.clock.advance(500)
    assert (bench.store.prunable(bench.now), bench.store.prune(bench.now)) == (1, 1)
    assert (bench.store.outcome(short.id), bench.store.story(short.id)) == (None, None)
    bench.clock.advance(1e9)
    assert (bench.store.prunable(bench.now), bench.store.prune(bench.now)) == (1, 1)
    assert bench.store.outcome(long.id) is None
    assert bench.counts() == {State.RUNNING: 1, State.AVAILABLE: 1}


def letting_go_is_bounded(bench: Bench) -> None:
    ids = [job.id for job in bench.plain(5)]
    bench.store.cancel(ids, bench.now)
    bench.clock.advance(1e6)
    assert [bench.store.prune(bench.now, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert bench.counts() == {}


def what_is_forgotten_goes_with_the_next_prune(bench: Bench) -> None:
    ended, kept, waiting = bench.plain(3)
    bench.store.cancel([ended.id, kept.id], bench.now)
    assert bench.store.forget([ended.id, ended.id, waiting.id, bench.id()], bench.now) == 1
    assert bench.store.forget([ended.id], bench.now) == 0
    assert (bench.store.prunable(bench.now), bench.store.prune(bench.now)) == (1, 1)
    assert bench.store.outcome(ended.id) is None
    assert bench.counts() == {State.CANCELLED: 1, State.AVAILABLE: 1}
