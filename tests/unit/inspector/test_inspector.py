"""The inspector over a store: listings that page on, filters, cancel, retry, pause."""

from __future__ import annotations

import msgspec
import pytest

from oakum.errors import StoreError, UsageError
from oakum.inspector.inspector import AT_ONCE, Inspector
from oakum.inspector.views import Tally
from oakum.model.ids import id_text, parse_id
from oakum.model.job import JobQuery, JobView, NewJob, State
from oakum.model.outcome import Completed, Failed
from oakum.store.base import Page
from oakum.store.memory import MemoryStore
from oakum.testing.conformance.bench import Bench

NOWHERE = bytes(16)


@pytest.fixture
def bench(clock):
    bench = Bench(MemoryStore, clock)
    yield bench
    bench.close()


@pytest.fixture
def inspector(bench):
    return Inspector(bench.store, bench.clock)


def test_a_copy_that_failed_again_is_not_retried_again(bench, inspector, monkeypatch):
    """Ids of a host whose clock is ahead come first in a listing, and copies made meanwhile after them."""
    monkeypatch.setattr("oakum.inspector.inspector.AT_ONCE", 1)
    worker = bench.worker()

    def fail_all() -> None:
        for job in bench.claim(worker):
            bench.end(worker, job, Failed("ValueError"))

    (old,) = bench.plain(1)
    bench.clock.step_wall(3600)
    (ahead,) = bench.plain(1)
    bench.clock.step_wall(-3600)
    fail_all()
    bench.clock.advance(1)
    retried: list[bytes] = []
    for ids in inspector.ids(JobQuery(states=(State.FAILED,))):
        retried += inspector.retry(ids).copies
        fail_all()
    assert retried == [ahead.id, old.id]
    assert bench.counts() == {State.FAILED: 4}


class ShortPages:
    """A store whose pages look at two jobs each, as a page may."""

    def __init__(self, views: tuple[JobView, ...]) -> None:
        self.views = sorted(views, key=lambda view: view.id, reverse=True)

    def jobs(self, query: JobQuery) -> Page:
        rest = [view for view in self.views if query.before is None or view.id < query.before]
        found = [view for view in rest[:2] if query.tag is None or query.tag in view.tags][: query.limit]
        full = len(found) == query.limit
        return Page(tuple(found), (found[-1] if full else rest[1]).id if full or len(rest) > 2 else None)


def tagged(bench: Bench, *tags: str) -> tuple[JobView, ...]:
    jobs = [NewJob(bench.id(), "t", b"\x90", tags=(tag,)) for tag in tags]
    bench.insert(*jobs)
    return tuple(bench.view(job.id) for job in jobs)


def test_a_listing_goes_on_where_pages_are_short(bench):
    views = tagged(bench, "x", "", "", "", "x", "", "x")
    inspector = Inspector(ShortPages(views), bench.clock)
    wanted = [id_text(view.id) for view in reversed(views) if view.tags == ("x",)]
    whole = inspector.jobs(JobQuery(tag="x", limit=10))
    assert ([job.id for job in whole.jobs], whole.before) == (wanted, None)
    first = inspector.jobs(JobQuery(tag="x", limit=2))
    assert [job.id for job in first.jobs] == wanted[:2]
    second = inspector.jobs(JobQuery(tag="x", limit=2, before=parse_id(first.before)))
    assert [job.id for job in second.jobs] == wanted[2:]
    assert [view.id for ids in inspector.ids(JobQuery(tag="x", limit=1)) for view in views if view.id in ids] == [
        view.id for view in reversed(views) if view.tags == ("x",)
    ]
    assert inspector.count(JobQuery(tag="x")) == 3


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (JobQuery(limit=1), 6),
        (JobQuery(task="a"), 3),
        (JobQuery(queue="mail"), 2),
        (JobQuery(task="a", queue="mail"), 0),
        (JobQuery(states=(State.SCHEDULED,)), 1),
        (JobQuery(states=(State.SCHEDULED, State.AVAILABLE), task="a"), 3),
        (JobQuery(tag="x"), 1),
    ],
)
def test_a_count_is_of_all_that_the_query_describes(bench, inspector, query, count):
    bench.plain(2, "a")
    bench.plain(2, "b", "mail")
    bench.insert(NewJob(bench.id(), "a", b"\x90", run_at_ms=bench.later(60)))
    bench.insert(NewJob(bench.id(), "c", b"\x90", tags=("x",)))
    assert inspector.count(query) == count
    assert sum(len(ids) for ids in inspector.ids(query)) == count


def test_ids_come_in_batches_that_one_transaction_can_bear(bench, inspector):
    bench.plain(AT_ONCE + 5)
    assert [len(ids) for ids in inspector.ids(JobQuery())] == [AT_ONCE, 5]


def test_cancel_by_a_filter_reaches_every_job_while_they_change_under_it(bench, inspector):
    bench.plain(AT_ONCE + 5)
    query = JobQuery(states=(State.AVAILABLE,))
    states = [state for ids in inspector.ids(query) for state in inspector.cancel(ids).values()]
    assert states == [State.CANCELLED] * (AT_ONCE + 5)
    assert inspector.count(query) == 0


def test_cancel_answers_the_state_of_each_job_that_is_there(bench, inspector):
    (running, waiting) = bench.plain(2)
    bench.claim(bench.worker(), limit=1)
    assert inspector.cancel([running.id, waiting.id, NOWHERE]) == {
        running.id: State.RUNNING,
        waiting.id: State.CANCELLED,
    }


def test_retry_makes_a_new_job_of_each_that_has_ended(bench, inspector):
    (ended, waiting) = bench.plain(2)
    worker = bench.worker()
    (job,) = bench.claim(worker, limit=1)
    bench.end(worker, job, Failed("ValueError"))
    copies, full = inspector.retry([ended.id, waiting.id, NOWHERE])
    assert full == ""
    assert list(copies) == [ended.id]
    assert bench.view(copies[ended.id]).parent == ended.id
    assert inspector.state(ended.id) is State.FAILED
    assert inspector.state(NOWHERE) is None


def test_pause_and_back(bench, inspector):
    bench.plain(3, queue="mail")
    bench.plain(1)
    paused = inspector.queues.pause("mail", True)
    assert (paused.name, paused.paused, paused.jobs) == ("mail", True, Tally(available=3))
    assert [(queue.name, queue.paused) for queue in inspector.overview().queues] == [("default", False), ("mail", True)]
    assert inspector.queues.pause("mail", False).paused is False
    assert bench.store.paused() == frozenset()


def test_an_odd_queue_name_is_refused(inspector):
    with pytest.raises(UsageError, match="queue: '' is not a name"):
        inspector.queues.pause("", True)


def test_a_story_of_a_job_that_is_not_there(inspector):
    with pytest.raises(StoreError, match="not in the store"):
        inspector.story(NOWHERE)


def test_a_story_is_of_one_job(bench, inspector):
    worker = bench.worker()
    bench.insert(NewJob(bench.id(), "t", msgspec.msgpack.encode([4])))
    job = bench.claim_one(worker)
    assert inspector.story(job.id).job.state == "running"
    bench.end(worker, job, Completed(msgspec.msgpack.encode(16)))
    shown = inspector.story(job.id, with_call=True)
    assert (shown.job.state, shown.call.args, shown.call.result) == ("completed", [4], 16)
    assert [start.outcome for start in shown.starts] == ["completed"]


def test_an_overview_is_json_for_programs(bench, inspector):
    bench.plain(2)
    bench.worker()
    shown = msgspec.json.decode(msgspec.json.encode(inspector.overview()))
    assert shown["queues"][0]["jobs"]["available"] == 2
    assert (shown["workers"][0]["state"], shown["at_ms"]) == ("starting", bench.now.wall_ms)
    assert inspector.now_ms() == bench.now.wall_ms
