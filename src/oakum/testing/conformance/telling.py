"""Checks: what a store tells of itself, and whom it wakes."""

from __future__ import annotations

import random

from msgspec.structs import replace

from oakum.errors import UsageError
from oakum.model.job import JobQuery, NewJob, State
from oakum.model.outcome import Completed, Failed, Released, Snoozed
from oakum.model.stats import TaskStats
from oakum.model.task import TaskSpec
from oakum.store.base import Flow, Page
from oakum.testing.conformance.bench import PATIENCE_S, Bench


def an_unknown_job_is_none(bench: Bench) -> None:
    unknown = bench.id()
    assert (bench.store.outcome(unknown), bench.store.story(unknown)) == (None, None)
    assert bench.store.cancel([unknown], bench.now) == {}


def jobs_are_counted_by_queue_task_and_state(bench: Bench) -> None:
    bench.plain(3)
    bench.plain(2, task="u")
    bench.plain(1, queue="q")
    bench.claim(bench.worker(), limit=1)
    bench.insert(NewJob(bench.id(), "t", b"seven..", run_at_ms=bench.later(60)))
    counts = [(count.queue, count.task, count.state, count.jobs, count.bytes) for count in bench.store.counts()]
    assert sorted(counts) == [
        ("default", "t", State.AVAILABLE, 2, 2),
        ("default", "t", State.RUNNING, 1, 1),
        ("default", "t", State.SCHEDULED, 1, 7),
        ("default", "u", State.AVAILABLE, 2, 2),
        ("q", "t", State.AVAILABLE, 1, 1),
    ]


def bytes_are_counted_through_a_jobs_life(bench: Bench) -> None:
    jobs = [NewJob(bench.id(), "t", b"p" * size, key=key) for size, key in ((1, "k"), (10, "k"), (100, None))]
    bench.insert(*jobs)
    worker = bench.worker()
    bench.clock.advance(1)
    bench.end(worker, bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=0))
    bench.end(worker, bench.claim_one(worker), Failed("E"))
    bench.end(worker, bench.claim_one(worker), Snoozed(60.0))
    assert {count.state: (count.jobs, count.bytes) for count in bench.store.counts()} == {
        State.COMPLETED: (1, 1),
        State.FAILED: (1, 100),
        State.SCHEDULED: (1, 10),
    }
    bench.clock.advance(60)
    bench.store.prune(bench.now)
    bench.store.promote(bench.now)
    bench.store.cancel([jobs[1].id], bench.now)
    assert {count.state: count.bytes for count in bench.store.counts()} == {State.FAILED: 100, State.CANCELLED: 10}


def what_has_gone_through_is_told_for_ever(bench: Bench) -> None:
    began_ms = bench.now.wall_ms
    bench.plain(1)
    bench.clock.advance(1)
    low, _ = bench.plain(2)
    bench.insert(NewJob(bench.id(), "u", b"", "q", run_at_ms=bench.later(60)))
    assert sorted(bench.store.flows(), key=str) == [Flow("default", "t", 3, 0, began_ms), Flow("q", "u", 1, 0)]
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=0))
    bench.store.cancel([low.id], bench.now)
    for _ in range(2):
        assert set(bench.another().flows()) == {Flow("default", "t", 3, 2, began_ms + 1000), Flow("q", "u", 1, 0)}
        bench.store.prune(bench.now)
    bench.clock.advance(1e9)
    assert bench.store.prune(bench.now) == 1
    bench.claim(worker)
    assert Flow("default", "t", 3, 2) in bench.store.flows()


def the_oldest_is_told_whatever_its_priority(bench: Bench) -> None:
    for seconds, priority in ((3, 9), (1, 0), (2, -9)):
        bench.insert(NewJob(bench.id(), "t", b"", priority=priority, run_at_ms=bench.later(-seconds)))
    (flow,) = bench.store.flows()
    assert flow.oldest_ms == bench.later(-3)
    bench.claim(bench.worker(), limit=1)
    (flow,) = bench.store.flows()
    assert flow.oldest_ms == bench.later(-2)


def a_memo_is_kept_under_its_name(bench: Bench) -> None:
    assert bench.store.memo("m") is None
    for value in (b"first", b"", bytes(range(256)) * 1024):
        bench.store.keep_memo("m", value)
        bench.store.keep_memo("other", b"o")
        assert (bench.another().memo("m"), bench.store.memo("other")) == (value, b"o")


def a_store_knows_its_size(bench: Bench) -> None:
    before = bench.store.space()
    assert before.limit is None or before.limit > before.used
    dice = random.Random(7)  # what can be compressed might find room between other rows
    bench.insert(*(NewJob(bench.id(), "t", dice.randbytes(100_000)) for _ in range(50)))
    assert bench.store.space().used > before.used


def a_listing_has_the_newest_first(bench: Bench) -> None:
    ids = []
    for _ in range(5):
        bench.clock.advance(1)
        ids += [job.id for job in bench.plain(2)]
    assert bench.store.jobs(JobQuery()) == Page(tuple(bench.view(each) for each in reversed(ids)))


def a_listing_goes_on_where_it_stopped(bench: Bench) -> None:
    ids = [job.id for job in bench.plain(7)]
    page = bench.store.jobs(JobQuery(limit=3))
    seen = [view.id for view in page.jobs]
    assert seen == ids[:3:-1]
    while page.before is not None:
        page = bench.store.jobs(JobQuery(limit=3, before=page.before))
        seen += [view.id for view in page.jobs]
    assert seen == ids[::-1]


def a_listing_goes_on_where_its_last_job_has_gone(bench: Bench) -> None:
    jobs = bench.plain(4)
    page = bench.store.jobs(JobQuery(limit=2))
    bench.store.cancel([jobs[2].id], bench.now)
    bench.clock.advance(1e6)
    assert bench.store.prune(bench.now) == 1
    assert [view.id for view in bench.store.jobs(JobQuery(before=page.before)).jobs] == [jobs[1].id, jobs[0].id]


def a_listing_can_be_narrowed(bench: Bench) -> None:
    tagged = NewJob(bench.id(), "t", b"", tags=("red", "round"))
    other = NewJob(bench.id(), "u", b"", "q", tags=("redder",))
    later = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60))
    bench.insert(tagged, other, later)

    def found(query: JobQuery) -> list[bytes]:
        return [view.id for view in bench.store.jobs(query).jobs]

    assert found(JobQuery(states=(State.SCHEDULED,))) == [later.id]
    assert found(JobQuery(states=(State.SCHEDULED, State.AVAILABLE))) == [later.id, other.id, tagged.id]
    assert found(JobQuery(task="t")) == [later.id, tagged.id]
    assert found(JobQuery(queue="q")) == [other.id]
    assert found(JobQuery(tag="red")) == [tagged.id]
    assert found(JobQuery(task="u", tag="red")) == []
    assert found(JobQuery(task="no such task")) == []
    assert found(JobQuery(queue="no such queue")) == []


def a_listing_is_bounded(bench: Bench) -> None:
    for limit in (0, -1, 10_001):
        try:
            bench.store.jobs(JobQuery(limit=limit))
        except UsageError:
            continue
        raise AssertionError(f"a page of {limit} jobs was not refused")


def what_is_measured_is_merged(bench: Bench) -> None:
    for peak in (100, 300):
        stats = TaskStats()
        stats.runs, stats.retained, stats.retained_runs = 1, 7, 1
        stats.peak.add(peak)
        bench.store.observe({"t": stats, "never enqueued": stats})
    known = bench.another().stats()
    assert set(known) == {"t", "never enqueued"}
    assert (known["t"].runs, known["t"].retained_per_run) == (2, 7)
    assert (known["t"].peak.count, known["t"].peak.largest) == (2, 300)


def a_bell_rings_for_work(bench: Bench) -> None:
    with_bell = bench.another()
    bell = with_bell.listen("work")
    bench.plain(1)
    assert bell.wait(PATIENCE_S)
    job = bench.claim(bench.worker())[0]
    bell.drain()
    bench.store.cancel([job.id], bench.now)
    assert bell.wait(PATIENCE_S)
    bell.close()
    bell.close()


def a_bell_rings_for_work_that_comes_back(bench: Bench) -> None:
    bench.plain(1)
    worker = bench.worker()
    job = bench.claim_one(worker)
    bell = bench.another().listen("work")
    bench.end(worker, job, Released())
    assert bell.wait(PATIENCE_S)
    settlement = bench.judge(bench.claim_one(worker), Completed())
    bench.settle(worker, replace(settlement, follow=(NewJob(bench.id(), "t", b""),)))
    assert bell.wait(PATIENCE_S)
    bell.close()


def a_bell_rings_for_results(bench: Bench) -> None:
    bench.plain(2)
    worker = bench.worker()
    bell = bench.another().listen("results")
    bench.end(worker, bench.claim_one(worker), Completed())
    assert bell.wait(PATIENCE_S)
    bench.store.progress({bench.claim_one(worker).ref: b"half"}, worker)
    assert bell.wait(PATIENCE_S)
    bell.close()


def a_bell_does_not_wait_for_longer_than_told(bench: Bench) -> None:
    bell = bench.store.listen("results")
    bell.drain()
    assert not bell.wait(0)
    bell.close()


def a_closed_store_opens_again(bench: Bench) -> None:
    (job,) = bench.plain(1)
    bench.store.listen("work")
    bench.store.close()
    bench.store.close()
    assert bench.state(job.id) is State.AVAILABLE


def a_store_says_how_durable_it_is(bench: Bench) -> None:
    assert bench.store.durability
    assert "\n" not in bench.store.durability


def a_store_warns_in_lines(bench: Bench) -> None:
    assert all(warning and "\n" not in warning for warning in bench.store.warnings())
