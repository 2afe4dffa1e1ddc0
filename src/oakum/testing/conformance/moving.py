"""Checks: a store can be shut, and all that it keeps can be carried to another one, which goes on where it left off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Final

from msgspec.structs import replace

from oakum.errors import DuplicateJob, StoreError, StoreMoved
from oakum.model.bounds import KINDS, Rate, Rules
from oakum.model.job import JobQuery, NewJob, State, Unique
from oakum.model.outcome import Completed, Failed, Released
from oakum.model.retry import RetryRule
from oakum.model.stats import TaskStats
from oakum.model.task import TaskSpec
from oakum.store.base import Store
from oakum.store.kept import Scheduled
from oakum.store.memory import MemoryStore
from oakum.store.moving import BYTES_AT_ONCE, Notice
from oakum.testing.conformance.bench import LEASE_MS, PATIENCE_S, Bench
from oakum.units import MIB

ARRIVING: Final = Notice("arriving", "sqlite:////elsewhere/jobs.db")
LEAVING: Final = Notice("leaving", "postgresql://elsewhere/jobs")
AGAIN: Final = TaskSpec("t", retry=(RetryRule(3, delay_s=60.0, jitter=0.0),))


def a_store_that_is_shut_says_so_to_all_its_users(bench: Bench) -> None:
    other = bench.another()
    assert bench.store.moving.notice() is None
    bench.store.moving.shut(LEAVING)
    assert other.moving.notice() == LEAVING
    other.moving.shut(replace(LEAVING, role="left"))
    assert bench.store.moving.notice() == replace(LEAVING, role="left")
    other.moving.shut(None)
    assert bench.store.moving.notice() is None


def a_store_that_is_shut_refuses_whatever_changes_what_waits_in_it(bench: Bench) -> None:
    worker = bench.worker()
    (waiting,) = bench.plain(1)
    bench.store.write_schedule(Scheduled("tick", 1, 1, b""), [], None, bench.now)
    bench.store.moving.shut(LEAVING)
    store, now = bench.another(), bench.now
    _refused(lambda: store.insert(bench.jobs(1), now))
    _refused(lambda: store.insert([replace(bench.jobs(1)[0], key="k")], now))
    _refused(lambda: bench.claim(worker))
    _refused(lambda: store.cancel([waiting.id], now))
    _refused(lambda: store.forget([waiting.id], now))
    _refused(lambda: store.enrol(bench.store.holders()[0].identity, LEASE_MS, now))
    _refused(lambda: store.write_schedule(Scheduled("new", 1, 1, b""), [], None, now))
    _refused(lambda: store.drop_schedule("tick"))
    _refused(lambda: store.pause("q", True))
    _refused(lambda: store.override("queue", "q", Rules(max_jobs=1)))
    _refused(lambda: store.declare("queue", {"q": Rules(max_jobs=1)}))
    assert bench.counts() == {State.AVAILABLE: 1}
    store.moving.shut(None)
    assert [job.id for job in bench.claim(worker)] == [waiting.id]
    assert len(store.schedules()) == 1


def what_comes_in_while_a_store_is_being_shut_is_in_before_it_or_refused(bench: Bench) -> None:
    acknowledged: list[int] = []
    busy = Event()

    def put(store: Store) -> None:
        with suppress(StoreMoved):
            while True:
                store.insert(bench.jobs(2), bench.now)
                acknowledged.append(2)
                if len(acknowledged) > 20:
                    busy.set()

    threads = [Thread(target=put, args=(bench.another(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert busy.wait(PATIENCE_S)
    bench.store.moving.shut(LEAVING)
    there = bench.counts()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
    assert bench.counts() == there == {State.AVAILABLE: sum(acknowledged)}


def a_worker_of_a_store_that_is_shut_hears_of_it_although_nothing_waits(bench: Bench) -> None:
    worker = bench.worker()
    bench.store.moving.shut(LEAVING)
    _refused(lambda: bench.claim(worker))


def what_is_due_or_over_stays_as_it_is_in_a_store_that_is_shut(bench: Bench) -> None:
    worker = bench.worker()
    bench.plain(1)
    bench.end(worker, bench.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=1.0))
    bench.insert(replace(bench.jobs(1)[0], run_at_ms=bench.later(1)))
    bench.clock.advance(2)
    bench.store.moving.shut(LEAVING)
    _refused(lambda: bench.store.promote(bench.now))
    _refused(lambda: bench.store.prune(bench.now))
    assert bench.counts() == {State.SCHEDULED: 1, State.COMPLETED: 1}


def what_runs_in_a_store_that_is_shut_is_settled_and_what_follows_it_comes_in(bench: Bench) -> None:
    bench.plain(3)
    worker = bench.worker()
    one, two, three = bench.claim(worker)
    bench.store.moving.shut(LEAVING)
    assert bench.store.renew(worker, LEASE_MS, b"", bench.now)
    bench.store.progress({one.ref: b"half"}, worker)
    (after,) = bench.jobs(1)
    assert bench.settle(worker, replace(bench.judge(one, Completed()), follow=(after,))) == []
    assert bench.settle(worker, bench.judge(two, Released("the store is left"))) == []
    bench.end(worker, three, Failed("E", "m", ""), AGAIN)
    assert bench.counts() == {State.COMPLETED: 1, State.AVAILABLE: 2, State.SCHEDULED: 1}
    assert bench.store.discharge(worker)


def all_that_a_store_keeps_arrives_in_another(bench: Bench) -> None:
    _fill(bench)
    other = MemoryStore()
    _carry(bench.store, other)
    _alike(bench.store, other, bench)


def all_that_another_store_kept_arrives_here(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    _fill(before)
    _carry(before.store, bench.store)
    _alike(before.store, bench.another(), bench)


def to_carry_it_once_more_changes_nothing(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    _fill(before)
    assert _carry(before.store, bench.store) > 0
    assert _carry(before.store, bench.store) == 0
    _alike(before.store, bench.store, bench)


def a_store_that_is_open_is_not_filled(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    _fill(before)
    filling = bench.store.moving
    (jobs, *_) = before.store.moving.dump(ended=False)
    (keys, *_) = before.store.moving.dump_keys()
    for notice in (None, LEAVING):
        filling.shut(notice)
        _not_filled(lambda: filling.restore(jobs))
        _not_filled(lambda: filling.restore_keys(keys))
        _not_filled(lambda: filling.furnish(before.store.moving.estate()))
    assert bench.counts() == {}
    assert bench.store.schedules() == []


def running_jobs_stay_where_they_are(bench: Bench) -> None:
    bench.plain(2)
    bench.claim_one(bench.worker())
    other = MemoryStore()
    assert _carry(bench.store, other) == 1
    assert [count.state for count in other.counts()] == [State.AVAILABLE]


def more_jobs_than_one_batch_are_carried_in_batches(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    jobs = before.plain(1100)
    assert sum(len(batch) for batch in before.store.moving.dump(ended=False)) == 1100
    assert _carry(before.store, bench.store) == 1100
    batches = list(bench.store.moving.dump(ended=False))
    assert len(batches) > 2
    assert [each.new.id for batch in batches for each in batch] == sorted(job.id for job in jobs)


def a_batch_is_bounded_by_bytes_as_well(bench: Bench) -> None:
    jobs = [replace(job, payload=bytes(MIB)) for job in bench.jobs(10)]
    bench.insert(*jobs)
    batches = list(bench.store.moving.dump(ended=False))
    assert [each.new.id for batch in batches for each in batch] == sorted(job.id for job in jobs)
    assert max(sum(len(each.new.payload) for each in batch) for batch in batches) <= BYTES_AT_ONCE


def jobs_are_taken_in_the_order_in_which_they_had_come(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    last, first = before.jobs(2)
    before.insert(first)  # its id is the later one
    before.insert(last, replace(before.jobs(1)[0], priority=-1))
    urgent = replace(before.jobs(1)[0], priority=5)
    before.insert(urgent)
    _carry(before.store, bench.store)
    (new,) = bench.plain(1)
    taken = bench.claim(bench.worker(), limit=4)
    assert [job.id for job in taken] == [urgent.id, first.id, last.id, new.id]


def a_job_keeps_what_it_has_spent(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    before.plain(1)
    worker = before.worker()
    before.end(worker, before.claim_one(worker), Failed("E", "m", ""), AGAIN)
    _carry(before.store, bench.store)
    bench.clock.advance(61)
    job = bench.claim_one(bench.worker())
    assert (job.token, job.tries) == (2, 1)


def keys_are_held_as_they_were(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    only = replace(before.jobs(1)[0], unique=Unique(b"only", "reject"))
    once, over = (replace(before.jobs(1)[0], idempotency=key) for key in (b"once", b"over"))
    before.insert(over)
    worker = before.worker()
    before.end(worker, before.claim_one(worker), Completed(), TaskSpec("t", result_ttl_s=1.0))
    before.insert(only, once)
    before.clock.advance(2)
    assert before.store.prune(before.now) == 1
    _carry(before.store, bench.store)
    assert bench.refused(DuplicateJob, replace(bench.jobs(1)[0], unique=Unique(b"only", "reject"))).job_id
    for key, holder in ((b"once", once), (b"over", over)):
        (mark,) = bench.insert(replace(bench.jobs(1)[0], idempotency=key))
        assert mark.id == holder.id
    worker = bench.worker()
    for job in bench.claim(worker):
        bench.end(worker, job, Completed())
    bench.clock.advance(86_400 + 1)
    bench.store.prune(bench.now)
    assert bench.insert(replace(bench.jobs(1)[0], idempotency=b"once", unique=Unique(b"only"))) == []


def jobs_of_one_key_still_run_one_at_a_time(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    first, second = (replace(job, key="k") for job in before.jobs(2))
    before.insert(first, second)
    _carry(before.store, bench.store)
    worker = bench.worker()
    (job,) = bench.claim(worker)
    assert job.id == first.id
    assert bench.claim(worker) == []
    bench.end(worker, job, Completed())
    assert [job.id for job in bench.claim(worker)] == [second.id]


def bounds_and_limits_hold_and_what_is_spent_of_a_rate_stays_spent(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    before.store.declare("queue", {"default": Rules(max_jobs=2, on_full="drop_oldest", rate=Rate(1, 60_000))})
    before.plain(2)
    worker = before.worker()
    before.end(worker, before.claim_one(worker), Released("it was not begun"))
    _carry(before.store, bench.store)
    worker = bench.worker()
    assert bench.claim(worker) == []
    oldest = min(view.id for view in bench.store.jobs(JobQuery()).jobs)
    bench.plain(1)
    assert bench.state(oldest) is State.EXPIRED
    bench.clock.advance(60)
    assert len(bench.claim(worker)) == 1


def what_has_arrived_can_be_pruned(bench: Bench) -> None:
    before = Bench(MemoryStore, bench.clock)
    before.plain(1)
    worker = before.worker()
    job = before.claim_one(worker)
    before.settle(worker, before.judge(job, Failed("E", "m", ""), log=b"said"))
    _carry(before.store, bench.store)
    assert bench.store.story(job.id) == before.store.story(job.id)
    bench.clock.advance(8 * 86_400)
    assert bench.store.prune(bench.now) == 1
    assert bench.counts() == {}
    assert bench.store.story(job.id) is None


def _refused(act: Callable[[], object]) -> None:
    try:
        act()
    except StoreMoved as refusal:
        assert refusal.where == LEAVING.other
        assert LEAVING.other in str(refusal)
        return
    raise AssertionError("a store that is shut did it")


def _not_filled(act: Callable[[], object]) -> None:
    try:
        act()
    except StoreError as error:
        assert "is not being filled" in str(error)
        return
    raise AssertionError("a store was filled that nobody had shut for it")


def _carry(source: Store, target: Store) -> int:
    """Carries everything; how many jobs were new."""
    before, after = source.moving, target.moving
    after.shut(ARRIVING)
    after.furnish(before.estate())
    new = sum(after.restore(batch) for ended in (True, False) for batch in before.dump(ended=ended))
    for keys in before.dump_keys():
        after.restore_keys(keys)
    after.furnish(before.estate())
    after.shut(None)
    return new


def _alike(one: Store, other: Store, bench: Bench) -> None:
    """Both stores say the same of everything."""
    query = JobQuery(limit=1000)
    jobs = one.jobs(query).jobs
    assert other.jobs(query).jobs == jobs
    assert len(jobs) > 6
    for job in jobs:
        assert other.story(job.id) == one.story(job.id)
    assert _sorted(other.counts()) == _sorted(one.counts())
    assert _sorted(other.flows()) == _sorted(one.flows())
    for kind in KINDS:
        assert other.rules(kind) == one.rules(kind)
    assert list(other.schedules()) == list(one.schedules())
    assert other.memo("history") == one.memo("history") == b"\x00\xff"
    assert other.paused() == one.paused() == {"quiet"}
    assert other.stats().keys() == one.stats().keys() == {"t"}
    assert other.next_due(bench.now) == one.next_due(bench.now)
    assert other.next_tick() == one.next_tick() == 7


def _sorted(items: object) -> list[str]:
    assert isinstance(items, (list, tuple))
    return sorted(map(repr, items))


def _fill(bench: Bench) -> None:
    """Something of all that a store can keep."""
    store, worker = bench.store, bench.worker()
    store.declare("queue", {"default": Rules(key_limit=1), "mail": Rules(max_jobs=100, rate=Rate(5, 60_000))})
    store.override("queue", "mail", Rules(max_jobs=7))
    store.declare("task", {"t": Rules(limit=50)})
    bench.plain(5)
    done, failed, again, pruned, cancelled = bench.claim(worker)
    bench.end(worker, done, Completed(b"\x00value"))
    bench.settle(worker, bench.judge(failed, Failed("E", "m", "trace"), log="säid".encode()))
    bench.end(worker, again, Failed("E", "m", ""), AGAIN)
    bench.end(worker, pruned, Completed(), TaskSpec("t", result_ttl_s=0.0))
    bench.end(worker, cancelled, Released("not begun"))
    store.cancel([cancelled.id], bench.now)
    store.prune(bench.now)
    rich = NewJob(
        bench.id(), "t", b"\xc1" * 70, "mail", 7, bench.later(100), bench.later(1000), Unique(b"u"), b"i",
        tags=("a", "b"), parent=done.id,
    )  # fmt: skip
    bench.insert(rich, *bench.jobs(2, queue="mail"), *(replace(job, key="k:1") for job in bench.jobs(2)))
    store.write_schedule(Scheduled("tick", 1, 6, b"spec"), [], None, bench.now)
    store.write_schedule(Scheduled("tick", 2, 7, b"spec", b"state"), [], None, bench.now)
    store.write_schedule(Scheduled("over", 1, None, b""), [], None, bench.now)
    store.keep_memo("history", b"\x00\xff")
    measured = TaskStats()
    measured.runs = 3
    store.observe({"t": measured})
    store.pause("quiet", True)
