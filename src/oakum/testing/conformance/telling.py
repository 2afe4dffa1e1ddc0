"""Checks: what a store tells of itself, and whom it wakes."""

from __future__ import annotations

from msgspec.structs import replace

from oakum.errors import UsageError
from oakum.model.job import JobQuery, NewJob, State
from oakum.model.outcome import Completed, Released
from oakum.model.stats import TaskStats
from oakum.store.base import Page
from oakum.testing.conformance.bench import Bench

PATIENCE_S = 30.0


def an_unknown_job_is_none(bench: Bench) -> None:
    unknown = bench.id()
    assert (bench.store.outcome(unknown), bench.store.story(unknown)) == (None, None)
    assert bench.store.cancel([unknown], bench.now) == {}


def jobs_are_counted_by_queue_task_and_state(bench: Bench) -> None:
    bench.plain(3)
    bench.plain(2, task="u")
    bench.plain(1, queue="q")
    bench.claim(bench.worker(), limit=1)
    counts = [(count.queue, count.task, count.state, count.jobs) for count in bench.store.counts()]
    assert sorted(counts) == [
        ("default", "t", State.AVAILABLE, 2),
        ("default", "t", State.RUNNING, 1),
        ("default", "u", State.AVAILABLE, 2),
        ("q", "t", State.AVAILABLE, 1),
    ]


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
