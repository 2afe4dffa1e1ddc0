"""Moving a store: what it says, what it refuses, and that it ends right wherever it was cut short."""

from __future__ import annotations

import itertools

import pytest

from oakum.errors import CannotRun, StoreError, StoreMoved, UsageError
from oakum.inspector.move import ORIGIN, Load, Move, Moved, Place, open_move
from oakum.model.job import State
from oakum.model.outcome import Completed
from oakum.model.task import TaskSpec
from oakum.store.care import Step
from oakum.store.memory import MemoryStore
from oakum.store.moving import Notice
from oakum.testing.conformance.bench import Bench


@pytest.fixture
def bench(clock):
    bench = Bench(MemoryStore, clock)
    yield bench
    bench.close()


@pytest.fixture
def target():
    return MemoryStore()


def move(bench, target, tell=lambda step: None):
    return Move(Place(bench.store, "a"), Place(target, "b"), bench.clock, tell)


def fill(bench, ended=3, waiting=2):
    jobs = bench.plain(ended + waiting)
    worker = bench.worker()
    for _ in range(ended):
        bench.end(worker, bench.claim_one(worker), Completed(b"value"))
    assert bench.store.discharge(worker)
    return jobs


def counts(store):
    return {count.state: count.jobs for count in store.counts()}


def test_all_is_there_afterwards_and_nothing_goes_in_where_it_was(bench, target):
    jobs = fill(bench)
    assert move(bench, target).run() == Moved("a", "b", 5, 2)
    assert counts(target) == {State.COMPLETED: 3, State.AVAILABLE: 2}
    assert all(target.story(job.id) == bench.store.story(job.id) for job in jobs)
    with pytest.raises(StoreMoved, match="has moved to b") as error:
        bench.plain(1)
    assert (error.value.where, error.value.for_good) == ("b", True)
    target.insert(bench.jobs(1), bench.now)


def test_a_look_changes_nothing(bench, target):
    fill(bench)
    bench.plain(1)
    bench.claim(bench.worker(), limit=1)
    load = move(bench, target).load()
    assert load == Load("a", "b", ended=3, waiting=2, running=1, bytes=6, schedules=0, workers=1)
    assert bench.store.moving.notice() is target.moving.notice() is None
    assert target.counts() == []


def test_what_runs_is_waited_for(bench, target):
    fill(bench)
    worker = bench.worker()
    running = bench.claim(worker)
    heard = []

    def tell(step: Step) -> None:
        heard.append(step)
        if step.what == "jobs that run are settled" and running:
            bench.end(worker, running.pop(), Completed())
            with pytest.raises(StoreMoved) as bench.plain_refused:
                bench.plain(1)

    assert move(bench, target, tell).run() == Moved("a", "b", 5, 0)
    assert [step for step in heard if step.what.startswith("jobs that run")] == [
        Step("jobs that run are settled", done, 2) for done in range(2)
    ]
    assert "being moved to b" in str(bench.plain_refused.value)


def test_jobs_of_a_worker_that_is_gone_are_given_back_first(bench, target):
    (job,) = bench.plain(1)
    worker = bench.worker()
    bench.claim(worker)
    (seen,) = bench.store.holders()
    bench.store.fence(worker, seen.lease_until_ms)
    move(bench, target).run()
    assert target.outcome(job.id)[0] is State.AVAILABLE
    assert bench.store.holders() == []


def test_to_move_it_again_says_the_same_and_does_nothing(bench, target):
    fill(bench)
    first = move(bench, target).run()
    target.insert(bench.jobs(1), bench.now)
    again = move(bench, target).run()
    assert (first.jobs, again.jobs) == (5, 6)
    assert bench.store.moving.notice() == Notice("left", "b")
    assert target.moving.notice() is None


class Cut(Exception):
    """The mover was killed."""


class Failing:
    """The moving verbs of a store, which are cut short before or after the one that is number `at` of both stores."""

    def __init__(self, moving, count, at, after):
        self.moving, self.count, self.at, self.after = moving, count, at, after

    def __getattr__(self, name):
        verb = getattr(self.moving, name)

        def cut(*args, **options):
            here = next(self.count) == self.at
            if here and not self.after:
                raise Cut
            done = verb(*args, **options)
            if here:
                raise Cut
            return done

        return cut


class Store:
    """A store whose moving verbs fail."""

    def __init__(self, store, count, at, after):
        self.store = store
        self.moving = Failing(store.moving, count, at, after)

    def __getattr__(self, name):
        return getattr(self.store, name)


@pytest.mark.parametrize("after", [False, True])
def test_wherever_it_is_cut_short_the_same_call_ends_it(clock, after):
    for at in itertools.count():
        bench, target, count = Bench(MemoryStore, clock), MemoryStore(), itertools.count()
        jobs = fill(bench)
        stores = (Place(Store(store, count, at, after), name) for store, name in ((bench.store, "a"), (target, "b")))
        try:
            Move(*stores, clock, lambda step: None).run()
        except Cut:
            if (
                target.moving.notice() is None and target.memo(ORIGIN) is not None
            ):  # it is open, and somebody works there
                target.cancel([jobs[-1].id], bench.now)
            else:
                assert target.moving.notice() is not None or not target.counts()
                assert bench.store.moving.notice() is not None or counts(bench.store)[State.AVAILABLE] == 2
            assert move(bench, target).run().jobs == 5
        else:
            assert at > 15
            return
        assert {job.id for batch in target.moving.dump(ended=False) for job in (each.new for each in batch)} <= {
            job.id for job in jobs[3:]
        }
        assert bench.store.moving.notice() == Notice("left", "b")
        assert target.moving.notice() is None


def work_off(bench, target):
    """Somebody runs all jobs at the new address, and nothing is kept of them."""
    there = Bench(lambda: target, bench.clock)
    worker = there.worker()
    for job in there.claim(worker):
        there.end(worker, job, Completed(), TaskSpec("t", result_ttl_s=0.0))
    there.clock.advance(30 * 86_400)
    target.prune(there.now)
    assert target.counts() == []


def test_a_mover_that_another_one_overtakes_brings_nothing_back(bench, target):
    fill(bench)
    others = []

    def tell(step: Step) -> None:
        if step.what == "jobs that wait" and not others:
            others.append(move(bench, target).run())
            work_off(bench, target)

    with pytest.raises(StoreError, match="this store is not being filled"):
        move(bench, target, tell).run()
    assert target.counts() == []
    assert move(bench, target).run().jobs == 0
    assert bench.store.moving.notice() == Notice("left", "b")


def test_a_mover_that_comes_when_another_one_ends_brings_nothing_back(bench, target, monkeypatch):
    fill(bench)
    late = move(bench, target)

    def check() -> bool:
        monkeypatch.undo()
        move(bench, target).run()
        work_off(bench, target)
        return True

    monkeypatch.setattr(late, "_check", check)
    assert late.run().jobs == 0
    assert (bench.store.moving.notice(), target.moving.notice()) == (Notice("left", "b"), None)


def test_an_unfinished_move_is_undone(bench, target):
    fill(bench)
    doomed = move(bench, target, tell=lambda step: (_ for _ in ()).throw(Cut) if "wait" in step.what else None)
    with pytest.raises(Cut):
        doomed.run()
    with pytest.raises(StoreMoved):
        bench.plain(1)
    move(bench, target).undo()
    bench.plain(1)
    with pytest.raises(StoreMoved, match="before it was undone"):
        target.insert(bench.jobs(1), bench.now)
    with pytest.raises(UsageError, match="before it was undone"):
        move(bench, target).run()
    assert move(bench, MemoryStore()).run().jobs == 6
    with pytest.raises(UsageError, match="no move to b is under way"):
        move(Bench(MemoryStore, bench.clock), MemoryStore()).undo()


def test_a_move_that_has_ended_is_not_undone(bench, target):
    fill(bench)
    move(bench, target).run()
    bench.store.moving.shut(Notice("leaving", "b"))
    with pytest.raises(CannotRun, match="all has arrived there"):
        move(bench, target).undo()
    assert move(bench, target).run().jobs == 5


def test_a_store_in_use_is_no_target(bench, target):
    fill(bench)
    target.insert(bench.jobs(1), bench.now)
    with pytest.raises(UsageError, match="b: this store is in use"):
        move(bench, target).run()
    assert bench.store.moving.notice() is None


def test_a_store_that_is_being_moved_elsewhere_is_no_source_and_no_target(bench, target):
    fill(bench)
    bench.store.moving.shut(Notice("leaving", "c"))
    with pytest.raises(UsageError, match="being moved to c"):
        move(bench, target).run()
    bench.store.moving.shut(None)
    target.moving.shut(Notice("arriving", "c"))
    with pytest.raises(UsageError, match="being filled from c"):
        move(bench, target).run()


def test_a_job_that_did_not_arrive_is_told_and_both_stay_shut(bench, target, monkeypatch):
    fill(bench)
    mover = target.moving
    monkeypatch.setattr(type(mover), "restore", lambda self, jobs: 0)
    with pytest.raises(CannotRun, match=r"queue default, task t: 2 jobs are in a and 0 in b; both stay shut"):
        move(bench, target).run()
    assert bench.store.moving.notice() == Notice("leaving", "b")
    assert target.moving.notice() == Notice("arriving", "a")


def test_what_was_pruned_meanwhile_is_counted_once(bench, target):
    fill(bench)

    def tell(step: Step) -> None:
        if step == Step("ended jobs", 3, 3):
            bench.clock.advance(30 * 86_400)
            assert bench.store.prune(bench.now) == 3

    move(bench, target, tell).run()
    (flow,) = target.flows()
    assert (flow.arrived, flow.ended) == (5, 3)


def test_urls_are_opened_and_one_store_is_not_two(tmp_path, clock):
    url = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(UsageError, match="there is no file"), open_move(url, "memory://", clock, print):
        pass
    (tmp_path / "a.db").touch()
    with pytest.raises(UsageError, match="one store, not two"), open_move(url, url, clock, print):
        pass
    with open_move(url, f"sqlite:///{tmp_path}/b.db", clock, print, look=True) as found:
        assert found.load().waiting == 0
    assert not (tmp_path / "b.db").exists()
