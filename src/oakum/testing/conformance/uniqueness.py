"""Checks: what becomes of a job whose unique key another one has."""

from __future__ import annotations

from msgspec.structs import replace

from oakum.errors import DuplicateJob, QueueFull
from oakum.model.bounds import Rules
from oakum.model.ids import id_text
from oakum.model.job import DEFAULT_QUEUE, UNFINISHED, Conflict, NewJob, Overrides, State, Unique
from oakum.model.outcome import Completed, Failed, Released
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.store.base import Count, Mark
from oakum.testing.conformance.bench import Bench


def _new(bench: Bench, conflict: Conflict = "keep", payload: bytes = b"p") -> NewJob:
    return NewJob(bench.id(), "t", payload, unique=Unique(b"k", conflict))


def only_jobs_in_the_named_states_stand_in_the_way(bench: Bench) -> None:
    waiting = Unique(b"k", states=(State.AVAILABLE, State.SCHEDULED))
    first, second, third = (NewJob(bench.id(), "t", b"", unique=waiting) for _ in range(3))
    bench.insert(first)
    assert bench.insert(second) == [Mark(0, first.id)]
    bench.claim_one(bench.worker())
    assert bench.insert(second) == []
    assert bench.insert(third) == [Mark(0, second.id)]


def ended_jobs_stand_in_the_way_until_they_are_let_go_of(bench: Bench) -> None:
    unique = Unique(b"k", states=(*UNFINISHED, State.COMPLETED))
    first, second = (NewJob(bench.id(), "t", b"", unique=unique) for _ in range(2))
    bench.insert(first)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=60))
    bench.clock.advance(60)
    assert bench.insert(second) == [Mark(0, first.id)]
    assert bench.store.prune(bench.now) == 1
    assert bench.insert(second) == []


def a_failed_job_is_no_completed_one(bench: Bench) -> None:
    unique = Unique(b"k", states=(*UNFINISHED, State.COMPLETED))
    bench.insert(NewJob(bench.id(), "t", b"", unique=unique))
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Failed("E"))
    assert bench.insert(NewJob(bench.id(), "t", b"", unique=unique)) == []


def a_job_stands_in_the_way_for_a_period(bench: Bench) -> None:
    throttle = Unique(b"k", states=tuple(State), period_ms=10_000)
    first, second, third = bench.id(), bench.id(), bench.id()
    bench.insert(NewJob(first, "t", b"", unique=throttle))
    bench.store.cancel([first], bench.now)
    bench.clock.advance(9.999)
    assert bench.insert(NewJob(second, "t", b"", unique=throttle)) == [Mark(0, first)]
    bench.clock.advance(0.001)
    late = NewJob(bench.id(), "t", b"", unique=throttle)
    assert bench.insert(late) == []
    assert bench.insert(NewJob(third, "t", b"", unique=throttle)) == [Mark(0, late.id)]


def the_newest_arguments_win(bench: Bench) -> None:
    old = NewJob(bench.id(), "t", b"old", run_at_ms=bench.later(10), tags=("old",), unique=Unique(b"k"))
    new = NewJob(
        bench.id(), "t", b"the new one", priority=3, expires_ms=bench.later(60), overrides=Overrides(retries=1), tags=("new",),
        unique=Unique(b"k", "replace"),
    )  # fmt: skip
    bench.insert(old)
    assert bench.insert(new) == [Mark(0, old.id)]
    view = bench.view(old.id)
    assert (view.payload, view.priority, view.expires_ms, view.tags) == (b"the new one", 3, new.expires_ms, ("new",))
    assert (view.state, view.run_at_ms) == (State.SCHEDULED, old.run_at_ms)
    assert list(bench.store.counts()) == [Count(DEFAULT_QUEUE, "t", State.SCHEDULED, 1, len(new.payload))]
    bench.clock.advance(10)
    (claimed,) = bench.claim(bench.worker())
    assert (claimed.id, claimed.payload, claimed.overrides) == (old.id, new.payload, new.overrides)


def what_has_started_is_never_replaced(bench: Bench) -> None:
    old = _new(bench, payload=b"old")
    bench.insert(old)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    assert bench.insert(_new(bench, "replace")) == [Mark(0, old.id)]
    bench.end(worker, claimed, Released())
    assert bench.insert(_new(bench, "replace")) == [Mark(0, old.id)]
    bench.end(worker, bench.claim_one(worker), Failed("E"), TaskSpec("t", retry=(RetryRule(1, delay_s=10),)))
    assert bench.insert(_new(bench, "debounce")) == [Mark(0, old.id)]
    assert bench.view(old.id).payload == b"old"


def a_job_is_replaced_within_a_call(bench: Bench) -> None:
    first, second, third = (_new(bench, "replace", payload) for payload in (b"1", b"2", b"3"))
    assert bench.insert(first, second, third) == [Mark(1, first.id), Mark(2, first.id)]
    assert bench.view(first.id).payload == b"3"
    assert bench.counts() == {State.AVAILABLE: 1}


def what_replaces_must_fit(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(max_jobs=1, max_bytes=4, on_full="reject")})
    old = _new(bench, payload=b"123")
    bench.insert(old)
    bench.insert(_new(bench, "replace", b"1234"))
    assert bench.refused(QueueFull, _new(bench, "replace", b"12345")).bytes == 4
    assert bench.view(old.id).payload == b"1234"


def what_a_full_queue_lets_go_of_is_not_replaced(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(max_jobs=1, on_full="drop_oldest")})
    old = _new(bench, payload=b"old")
    bench.insert(old)
    (plain,) = bench.jobs(1)
    assert bench.insert(plain, _new(bench, "debounce", b"new")) == [Mark(1, old.id)]
    assert (bench.state(old.id), bench.view(old.id).payload) == (State.EXPIRED, b"old")
    assert bench.counts() == {State.EXPIRED: 1, State.AVAILABLE: 1}


def a_held_job_is_replaced_too(bench: Bench) -> None:
    first, old = (replace(_new(bench), unique=unique, key="k") for unique in (None, Unique(b"k")))
    bench.insert(first, old)
    bench.insert(replace(_new(bench, "replace", b"new"), key="k"))
    assert (bench.state(old.id), bench.view(old.id).payload) == (State.HELD, b"new")


def a_key_may_reject(bench: Bench) -> None:
    old, new = _new(bench), _new(bench, "reject")
    bench.insert(old)
    (other,) = bench.jobs(1)
    error = bench.refused(DuplicateJob, other, new)
    assert error.job_id == id_text(old.id)
    assert id_text(old.id) in str(error)
    assert bench.counts() == {State.AVAILABLE: 1}
    assert bench.store.outcome(other.id) is None


def a_start_is_put_off_by_each_new_one(bench: Bench) -> None:
    unique = Unique(b"k", "debounce", latest_ms=25_000)
    first = NewJob(bench.id(), "t", b"1", run_at_ms=bench.later(10), unique=unique)
    bench.insert(first)
    latest = bench.later(25)
    for payload, start in ((b"2", bench.later(18)), (b"3", latest)):
        bench.clock.advance(8)
        assert bench.insert(
            NewJob(bench.id(), "t", payload, run_at_ms=bench.later(10), unique=unique)
        ) == [Mark(0, first.id)]  # fmt: skip
        assert (bench.view(first.id).payload, bench.view(first.id).run_at_ms) == (payload, start)
    assert bench.store.next_due(bench.now) == latest
    bench.clock.advance(9)
    (claimed,) = bench.claim(bench.worker())
    assert (claimed.id, claimed.payload) == (first.id, b"3")


def a_start_may_be_drawn_near(bench: Bench) -> None:
    first = NewJob(bench.id(), "t", b"", run_at_ms=bench.later(60), unique=Unique(b"k"))
    bench.insert(first)
    bench.insert(_new(bench, "debounce"))
    assert (bench.state(first.id), bench.view(first.id).run_at_ms) == (State.AVAILABLE, bench.now.wall_ms)


def to_put_a_start_off_gives_the_place_of_a_key_back(bench: Bench) -> None:
    first = replace(_new(bench), key="k")
    behind = NewJob(bench.id(), "t", b"", key="k")
    bench.insert(first, behind)
    bench.insert(replace(_new(bench, "debounce"), key="k", run_at_ms=bench.later(10)))
    assert (bench.state(first.id), bench.state(behind.id)) == (State.SCHEDULED, State.AVAILABLE)
    bench.clock.advance(10)
    assert bench.store.promote(bench.now) == 1
    assert bench.state(first.id) is State.HELD


def a_job_tried_again_by_hand_stands_behind_its_key(bench: Bench) -> None:
    old, new = (_new(bench) for _ in range(2))
    bench.insert(old)
    bench.store.cancel([old.id], bench.now)
    bench.insert(new)
    assert bench.store.retry({old.id: bench.id()}, bench.now) == {}
    assert bench.counts() == {State.CANCELLED: 1, State.AVAILABLE: 1}
