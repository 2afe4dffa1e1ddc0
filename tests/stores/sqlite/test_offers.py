"""Offers: a job goes straight to a worker that waits for one, to one alone, and never past what forbids it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from oakum.errors import QueueFull, StoreMoved
from oakum.model.bounds import Rate, Rules
from oakum.model.job import DEFAULT_QUEUE, Claimed, NewJob, State, Unique
from oakum.model.outcome import Completed, Released
from oakum.store.base import Bell, Given, Identity, OfferStore, Want
from oakum.store.moving import Notice
from oakum.store.sqlite import offers
from oakum.store.sqlite.bell import BellTower
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.offers import Gift
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance.bench import LEASE_MS, ROOM, Bench


class Idler:
    """A worker with nothing to do: a user of the store with a bell and an offer."""

    def __init__(self, bench: Bench, pid: int = 2) -> None:
        self.bench = bench
        store = bench.another()
        assert isinstance(store, SqliteStore)
        self.store = store
        self.bell: Bell = store.listen("work")
        self.holder = store.enrol(Identity("host", "boot", 1, pid, 3), LEASE_MS, bench.now)
        self.turn = 1
        self.offer()

    def want(self, *tasks: str, queues: tuple[str, ...] = (DEFAULT_QUEUE,)) -> Want:
        return Want(self.holder, queues, dict.fromkeys(tasks or ("t", "u"), 1), ROOM, 10, turn=self.turn)

    def offer(self, *tasks: str) -> None:
        self.store.offer(self.want(*tasks), self.bench.now)

    def hears(self) -> Sequence[Given | None]:
        assert self.bell.wait(0)
        return self.store.given()

    def given(self) -> Claimed:
        (given,) = self.hears()
        assert given is not None
        assert given.turn == self.turn
        return given.job

    def claim(self) -> Sequence[Claimed]:
        return self.store.claim(self.want(), self.bench.now)


@pytest.fixture
def idler(bench: Bench) -> Idler:
    return Idler(bench)


def test_a_job_is_given_in_the_commit_that_brings_it(bench, idler):
    job = NewJob(bench.id(), "u", b"arguments", tags=("x",), expires_ms=bench.later(9))
    bench.insert(job)
    given = idler.given()
    assert given == Claimed(
        given.ref, job.id, "u", DEFAULT_QUEUE, b"arguments", 1, tags=("x",), expires_ms=job.expires_ms
    )
    assert bench.store.held(idler.holder, 9) == [given]
    assert {(count.state, count.jobs, count.bytes) for count in bench.store.counts()} == {(State.RUNNING, 1, 9)}
    bench.end(idler.holder, given, Completed(b"r"))
    assert bench.view(job.id).state is State.COMPLETED
    assert bench.view(job.id).token == 1


def test_an_offer_is_good_for_one_job(bench, idler):
    bench.plain(1)
    assert len(idler.hears()) == 1
    (second,) = bench.plain(1)
    assert bench.state(second.id) is State.AVAILABLE
    assert idler.hears() == [None]


@pytest.mark.parametrize(
    "job",
    [
        NewJob(b"1" * 16, "other", b"p"),
        NewJob(b"1" * 16, "t", b"p", queue="elsewhere"),
        NewJob(b"1" * 16, "t", b"p", run_at_ms=2**41),
        NewJob(b"1" * 16, "t", b"p", key="k"),
        NewJob(b"1" * 16, "t", b"p", unique=Unique(b"k")),
        NewJob(b"1" * 16, "t", b"p", idempotency=b"k"),
    ],
    ids=["task", "queue", "later", "key", "unique", "idempotency"],
)
def test_other_jobs_wait(bench, idler, job):
    bench.insert(job)
    assert bench.state(job.id) is not State.RUNNING
    assert idler.hears() == [None]
    bench.store.cancel([job.id], bench.now)
    idler.bell.drain()
    _is_given(bench, idler)


def test_several_at_once_wait_to_be_claimed(bench, idler):
    bench.plain(2)
    assert idler.hears() == [None]
    assert len(idler.claim()) == 2


def test_a_number_is_not_found_in_a_longer_one(bench, idler):
    """Names are numbers in the file: an offer of task 12 is none of tasks 1 and 2."""
    tasks = [f"t{place}" for place in range(15)]
    idler.offer(tasks[-1])  # all names get their numbers now, and only the last is offered
    for task in tasks[:-1]:
        (job,) = bench.plain(1, task)
        bench.store.cancel([job.id], bench.now)
        assert bench.state(job.id) is State.CANCELLED
    idler.bell.drain()
    (job,) = bench.plain(1, tasks[-1])
    assert idler.given().id == job.id


FORBIDDEN: dict[str, Callable[[Bench, Idler], object]] = {
    "paused": lambda bench, idler: bench.store.pause(DEFAULT_QUEUE, True),
    "task limit": lambda bench, idler: bench.store.declare("task", {"t": Rules(limit=9)}),
    "queue rate": lambda bench, idler: bench.store.declare("queue", {DEFAULT_QUEUE: Rules(rate=Rate(9, 1000))}),
    "others wait": lambda bench, idler: bench.plain(2, "other"),
    "drops its oldest": lambda bench, idler: bench.store.declare(
        "queue", {DEFAULT_QUEUE: Rules(max_jobs=9, on_full="drop_oldest")}
    ),
    "fenced": lambda bench, idler: bench.store.fence(idler.holder, bench.store.holders()[0].lease_until_ms),
    "withdrawn": lambda bench, idler: idler.store.withdraw(idler.holder, idler.turn),
    "discharged": lambda bench, idler: bench.store.discharge(idler.holder),
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_nothing_is_given_past_what_forbids_it(bench, idler, why):
    FORBIDDEN[why](bench, idler)
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.AVAILABLE
    assert bench.store.held(idler.holder, 9) == []


def test_a_bounded_queue_counts_what_is_given(bench, idler):
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(max_jobs=1, on_full="reject")})
    idler.offer()
    idler.bell.drain()
    _is_given(bench, idler)
    idler.turn += 1
    idler.offer()
    bench.refused(QueueFull, *bench.jobs(1))
    assert len(bench.store.held(idler.holder, 9)) == 1


def test_his_own_jobs_are_not_given_to_a_worker(bench, idler):
    job = NewJob(bench.id(), "t", b"p")
    idler.store.insert([job], bench.now)
    assert bench.state(job.id) is State.AVAILABLE


def test_of_two_the_one_that_has_just_worked_is_given_the_job(bench, idler):
    bench.clock.advance(1)
    other = Idler(bench, pid=3)
    _is_given(bench, other)
    _is_given(bench, idler)


def test_what_has_a_limit_is_claimed_and_the_rest_is_given(bench, idler):
    bench.store.declare("task", {"t": Rules(limit=9)})
    idler.offer("t", "u")
    idler.bell.drain()
    (limited,) = bench.plain(1, "t")
    assert bench.state(limited.id) is State.AVAILABLE
    bench.store.cancel([limited.id], bench.now)
    idler.bell.drain()
    (free,) = bench.plain(1, "u")
    assert idler.given().id == free.id


def test_a_paused_queue_is_not_offered(bench, idler):
    bench.store.pause(DEFAULT_QUEUE, True)
    idler.offer()
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.AVAILABLE


def test_a_job_is_not_lost_with_the_word_of_it(bench, idler, monkeypatch):
    monkeypatch.setattr(BellTower, "tell", lambda *_: True)
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.RUNNING
    assert not idler.bell.wait(0), "there was word of it"
    (found,) = idler.claim()
    assert found.id == job.id
    assert found.token == 1
    assert list(idler.claim()) == []


def test_what_was_given_comes_before_what_is_claimed(bench, idler):
    (given,) = bench.plain(1)
    others = bench.plain(2)
    assert [job.id for job in idler.claim()] == [given.id]
    assert [job.id for job in idler.claim()] == [job.id for job in others]


def test_what_is_given_while_others_are_claimed_comes_with_them(bench, idler, monkeypatch):
    (waiting,) = bench.plain(1, queue="other")
    is_taken = offers.is_taken
    late: list[NewJob] = []

    def taken(db: Database, want: Want) -> bool:
        answer = is_taken(db, want)
        late.extend(bench.plain(1))
        return answer

    monkeypatch.setattr(offers, "is_taken", taken)
    want = idler.want(queues=(DEFAULT_QUEUE, "other"))
    assert [job.id for job in idler.store.claim(want, bench.now)] == [waiting.id, late[0].id]


def test_what_was_given_is_done_where_the_store_is_shut(bench, idler):
    (given,) = bench.plain(1)
    bench.store.moving.shut(Notice("leaving", "sqlite:///elsewhere.db"))
    assert [job.id for job in idler.claim()] == [given.id]
    with pytest.raises(StoreMoved):
        idler.claim()


def test_who_was_fenced_can_leave_no_offer(bench, idler):
    (holder,) = bench.store.holders()
    assert bench.store.fence(idler.holder, holder.lease_until_ms)
    idler.offer()
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.AVAILABLE
    assert bench.store.discharge(idler.holder)
    idler.offer()
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.AVAILABLE


def test_what_came_by_word_is_not_found_again(bench, idler):
    bench.plain(1)
    idler.given()
    idler.turn += 1  # as a worker does that has it
    assert list(idler.claim()) == []
    idler.offer()
    _is_given(bench, idler)


def test_who_was_fenced_gets_nothing(bench, idler):
    (job,) = bench.plain(1)
    assert bench.store.fence(idler.holder, bench.store.holders()[0].lease_until_ms)
    assert list(idler.claim()) == []
    assert [held.id for held in bench.store.held(idler.holder, 9)] == [job.id], "who fenced him finds it"


def test_an_offer_that_was_taken_up_brings_the_job_when_it_is_withdrawn(bench, idler):
    (job,) = bench.plain(1)
    assert [given.id for given in idler.store.withdraw(idler.holder, idler.turn)] == [job.id]
    assert idler.store.withdraw(idler.holder, idler.turn) == []


def test_an_idle_worker_writes_nothing(bench, idler):
    before = idler.store.memo("x"), _changes(idler.store)
    for _ in range(3):
        assert list(idler.claim()) == []
    assert (idler.store.memo("x"), _changes(idler.store)) == before


def _changes(store: SqliteStore) -> int:
    with store._connection.read() as db:
        return db.total_changes()


def test_a_call_that_is_repeated_gives_nothing_twice(bench, idler):
    (job,) = bench.plain(1)
    bench.end(idler.holder, idler.given(), Completed(None))
    idler.turn += 1
    idler.offer()
    bench.insert(job)
    assert bench.state(job.id) is State.COMPLETED
    assert set(idler.hears()) == {None}
    _is_given(bench, idler)


def test_large_arguments_are_read_in_the_store(bench, idler):
    job = NewJob(bench.id(), "t", b"x" * (offers.WORD_BYTES + 1))
    bench.insert(job)
    assert idler.hears() == [None]
    (found,) = idler.claim()
    assert (found.id, found.payload) == (job.id, job.payload)


def test_a_word_that_nobody_understands_is_a_ring(bench, idler):
    idler.store._connection.tower.tell(idler.bell.name, b"\x93what?")  # type: ignore[attr-defined]  # the listener behind it
    assert idler.hears() == [None]


def test_what_a_worker_was_given_that_is_gone_waits_for_others(bench, idler):
    other = bench.another().listen("work")
    idler.bell.close()
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.AVAILABLE
    assert {(count.state, count.jobs) for count in bench.store.counts() if count.jobs} == {(State.AVAILABLE, 1)}
    assert other.wait(0), "nobody was told"
    (second,) = bench.plain(1)
    assert bench.state(second.id) is State.AVAILABLE


def test_what_a_worker_has_found_is_not_taken_back(bench, idler, monkeypatch):
    """His bell is down, but he is there, and was quicker than the caller who can't tell him."""
    found: list[Claimed] = []
    take_back = SqliteStore._take_back

    def late(store: SqliteStore, gift: Gift) -> None:
        found.extend(idler.claim())
        take_back(store, gift)

    monkeypatch.setattr(SqliteStore, "_take_back", late)
    idler.bell.close()
    (job,) = bench.plain(1)
    assert [one.id for one in found] == [job.id]
    assert bench.state(job.id) is State.RUNNING


def test_a_job_that_is_to_be_cancelled_is_not_taken_back(bench, idler, monkeypatch):
    """It would run: what asks for its end is of the worker that was given it, and is seen to by whoever fences that."""
    take_back = SqliteStore._take_back

    def late(store: SqliteStore, gift: Gift) -> None:
        assert bench.store.cancel([gift.job.id], bench.now) == {gift.job.id: State.RUNNING}
        take_back(store, gift)

    monkeypatch.setattr(SqliteStore, "_take_back", late)
    idler.bell.close()
    (job,) = bench.plain(1)
    (held,) = bench.store.held(idler.holder, 9)
    bench.end(idler.holder, held, Released("its worker ended"))
    assert bench.state(job.id) is State.CANCELLED


def test_who_can_not_be_told_offers_nothing(bench, idler):
    idler.store.withdraw(idler.holder, idler.turn)
    idler.bell.close()
    idler.offer()
    (job,) = bench.plain(1)
    assert bench.state(job.id) is State.AVAILABLE


def test_this_store_knows_offers(bench):
    assert isinstance(bench.store, OfferStore)


def _is_given(bench: Bench, idler: Idler) -> None:
    (job,) = bench.plain(1)
    assert idler.given().id == job.id
