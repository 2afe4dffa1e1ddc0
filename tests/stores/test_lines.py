"""A line that delays, swallows and breaks, before and after the commit, on every store that has one: no job is lost or doubled.

Each test asserts that its fault hit: `Proxy.doing` fails where it did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import pytest
from msgspec.structs import replace
from tests.support.proxy import Fault, Proxy

from oakum.clock import FakeClock
from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError
from oakum.model.job import NewJob, State
from oakum.model.outcome import Completed, Failed
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.store.base import Mark
from oakum.store.kept import Scheduled
from oakum.store.open import open_store
from oakum.store.redis.schema import VERSION
from oakum.store.redis.scripts import script
from oakum.testing.conformance.bench import Bench

MARK = b"marked-payload"  # in the bytes of a request, so that the proxy knows it
ANSWER_S = 2.0  # after which a line is given up: longer than any disk keeps a server waiting, and no test is
RETRYING = TaskSpec("t", retry=(RetryRule(3, delay_s=5, jitter=0),))


class Line(NamedTuple):
    """A store beyond a proxy, and what its requests look like: one that inserts, one that commits, one that claims."""

    bench: Bench
    proxy: Proxy
    inserts: Callable[[bytes], bool]
    commits: Callable[[bytes], bool]
    claims: Callable[[bytes], bool]

    def marked(self, count: int = 1) -> list[NewJob]:
        return [NewJob(self.bench.id(), "t", MARK) for _ in range(count)]


@pytest.fixture(params=["postgres", "redis"])
def line(request: pytest.FixtureRequest, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    url = request.getfixturevalue(f"{request.param}_store_url")
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    with Proxy(parts.hostname, parts.port) as proxy:
        user = f"{parts.username}@" if parts.username else ""
        through = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
        if request.param == "redis":
            through += f"&socket_timeout={ANSWER_S}"
        else:
            monkeypatch.setattr("oakum.store.postgres.connection.ANSWER_S", ANSWER_S)
        bench = Bench(lambda: open_store(through), clock)
        bench.plain(1)  # connected, and on Redis the scripts are known
        worker = bench.worker()
        bench.end(worker, bench.claim_one(worker), Completed())
        bench.store.discharge(worker)
        bench.clock.advance(1e6)
        bench.store.prune(bench.now)
        bench.store.write_schedule(Scheduled("first", 1, None, b"spec"), [], None, bench.now)
        bench.store.drop_schedule("first")
        yield Line(bench, proxy, *_POSTGRES if request.param == "postgres" else _REDIS)
        bench.close()


def _is_script(request: bytes) -> bool:
    """One that does something: before jobs come in the store asks how much room there is."""
    return b"EVALSHA" in request and script("space", VERSION).sha not in request


_POSTGRES = (
    lambda request: b"INSERT INTO" in request and MARK in request,
    lambda request: b"COMMIT" in request,
    lambda request: b"taken AS" in request,
)
_REDIS = _is_script, _is_script, _is_script


def test_an_answer_to_an_insert_that_was_lost_is_asked_for_again(line: Line) -> None:
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.inserts):
        assert line.bench.insert(*line.marked(3)) == []
    assert line.bench.counts() == {State.AVAILABLE: 3}


def test_a_cut_after_the_commit_is_an_unknown_end_and_one_job_after_a_retry(line: Line) -> None:
    (job,) = line.marked()
    with line.proxy.doing(Fault.CUT_REPLY, when=line.inserts), pytest.raises(EnqueueUnknown, match="the same id"):
        line.bench.insert(job)
    assert line.bench.counts() == {State.AVAILABLE: 1}  # it is in, and nobody was told
    assert line.bench.insert(job) == []
    assert line.bench.counts() == {State.AVAILABLE: 1}


def test_a_retry_with_the_same_idempotency_key_is_the_same_job(line: Line) -> None:
    one, again = (NewJob(line.bench.id(), "t", MARK, idempotency=b"order 7") for _ in range(2))
    with line.proxy.doing(Fault.CUT_REPLY, when=line.commits), pytest.raises(EnqueueUnknown):
        line.bench.insert(one)
    assert line.bench.insert(again) == [Mark(0, one.id)]
    assert line.bench.counts() == {State.AVAILABLE: 1}


def test_a_request_that_was_lost_is_sent_again(line: Line) -> None:
    with line.proxy.doing(Fault.CUT_REQUEST, times=1, when=line.inserts):
        line.bench.insert(*line.marked())
    assert line.bench.counts() == {State.AVAILABLE: 1}


def test_a_server_that_is_not_there_has_certainly_not_enqueued(line: Line) -> None:
    (job,) = line.marked()
    with line.proxy.doing(Fault.REFUSE):
        line.proxy.cut_all()
        with pytest.raises((NotEnqueued, EnqueueUnknown)):  # the line broke when it was used
            line.bench.insert(job)
        with pytest.raises(NotEnqueued, match="cannot reach the server"):
            line.bench.insert(job)
    assert line.bench.insert(job) == []
    assert line.bench.counts() == {State.AVAILABLE: 1}


def test_a_line_that_is_slow_changes_nothing(line: Line) -> None:
    with line.proxy.doing(Fault.DELAY, delay_s=0.05):
        jobs = line.bench.plain(2)
        worker = line.bench.worker()
        claimed = line.bench.claim(worker)
        assert [job.id for job in claimed] == [job.id for job in jobs]
        for job in claimed:
            line.bench.end(worker, job, Completed())
    assert line.bench.counts() == {State.COMPLETED: 2}


def test_a_line_that_is_half_open_ends_in_time(line: Line) -> None:
    with line.proxy.doing(Fault.SWALLOW, times=1), pytest.raises(StoreError, match="the connection broke"):
        line.bench.store.holders()
    assert line.bench.counts() == {}


def test_an_insert_into_a_half_open_line_is_made_on_the_next(line: Line) -> None:
    with line.proxy.doing(Fault.SWALLOW, times=1, when=line.inserts):
        assert line.bench.insert(*line.marked()) == []
    assert line.bench.counts() == {State.AVAILABLE: 1}


def test_jobs_of_a_claim_without_an_answer_are_handed_out_by_the_next(line: Line) -> None:
    jobs = line.bench.plain(3)
    worker = line.bench.worker()
    line.bench.store.close()  # so that on PostgreSQL the proxy sees a statement, and not only its number
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.claims), pytest.raises(StoreError, match="broke"):
        line.bench.claim(worker, limit=2)
    assert len(line.bench.store.held(worker, 9)) == 2  # it had happened
    assert [job.id for job in line.bench.claim(worker, limit=2)] == [job.id for job in jobs[:2]]
    assert [job.id for job in line.bench.claim(worker)] == [jobs[2].id]


def test_jobs_of_a_claim_without_an_answer_come_back_when_their_holder_goes(line: Line) -> None:
    """The worker that asked asks no more: whoever gives back its jobs finds those that it never heard of."""
    (job,) = line.bench.plain(1)
    lost, other = line.bench.worker(), line.bench.worker()
    line.bench.store.close()
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.claims), pytest.raises(StoreError):
        line.bench.claim(lost)
    store = line.bench.another()
    (seen,) = [holder for holder in store.holders() if holder.number == lost]
    assert store.fence(lost, seen.lease_until_ms)
    assert [each.id for each in store.held(lost, 9)] == [job.id]
    assert line.bench.claim(other) == []


@pytest.mark.parametrize("outcome", [Completed(b"r"), Failed("E", "boom")], ids=["ends", "goes back"])
def test_a_settle_whose_answer_was_lost_counts_once_and_is_not_late(line: Line, outcome: Completed | Failed) -> None:
    (job,) = line.bench.plain(1)
    worker = line.bench.worker()
    end = line.bench.judge(line.bench.claim_one(worker), outcome, RETRYING)
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.commits), pytest.raises(StoreError, match="broke"):
        line.bench.settle(worker, end)
    told = line.bench.view(job.id)
    assert told.state is end.state  # it had happened
    assert line.bench.settle(worker, end) == []
    assert line.bench.view(job.id) == told
    assert line.bench.settle(worker, end) == [0]  # nothing is in doubt any more


def test_a_settle_without_an_answer_that_never_counted_is_late_after_the_lease(line: Line) -> None:
    (job,) = line.bench.plain(1)
    worker, other = line.bench.worker(), line.bench.another()
    end = line.bench.judge(line.bench.claim_one(worker), Completed(b"r"))
    with line.proxy.doing(Fault.CUT_REQUEST, times=1), pytest.raises(StoreError):
        line.bench.settle(worker, end)
    (seen,) = other.holders()
    assert other.fence(worker, seen.lease_until_ms)
    (held,) = other.held(worker, 9)
    assert other.settle([line.bench.judge(held, Failed("E"))], worker, line.bench.now) == []
    assert line.bench.settle(worker, end) == [0]
    assert line.bench.state(job.id) is State.FAILED


@pytest.mark.parametrize("fenced", [False, True])
def test_whose_job_is_pruned_before_it_is_told_again_was_in_time_if_nobody_else_could_end_it(
    line: Line, fenced: bool
) -> None:
    (job,) = line.bench.plain(1)
    worker, other = line.bench.worker(), line.bench.another()
    end = line.bench.judge(line.bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=0.0))
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.commits), pytest.raises(StoreError, match="broke"):
        line.bench.settle(worker, end)
    assert other.prune(line.bench.now) == 1
    if fenced:  # then somebody else may have had it, and may have ended it
        (seen,) = other.holders()
        assert other.fence(worker, seen.lease_until_ms)
    assert line.bench.settle(worker, end) == ([0] if fenced else [])
    assert line.bench.store.story(job.id) is None
    assert line.bench.settle(worker, end) == [0]  # nothing is in doubt any more


def test_what_follows_a_settle_without_an_answer_comes_in_once(line: Line) -> None:
    line.bench.plain(1)
    worker = line.bench.worker()
    (follows,) = line.marked()
    end = replace(line.bench.judge(line.bench.claim_one(worker), Completed()), follow=(follows,))
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.commits), pytest.raises(StoreError):
        line.bench.settle(worker, end)
    assert line.bench.settle(worker, end) == []
    assert line.bench.counts() == {State.COMPLETED: 1, State.AVAILABLE: 1}


def test_a_tick_whose_answer_was_lost_is_one_job(line: Line) -> None:
    """The leader that heard nothing looks again, as it does after any trouble, and finds the tick fired."""
    bench = line.bench
    row = Scheduled("nightly", 1, 5, b"spec")
    with line.proxy.doing(Fault.CUT_REPLY, times=1, when=line.commits), pytest.raises(StoreError):
        bench.store.write_schedule(row, line.marked(), None, bench.now)
    assert bench.store.schedules() == [row]
    assert not bench.store.write_schedule(row, line.marked(), None, bench.now)
    assert bench.counts() == {State.AVAILABLE: 1}
