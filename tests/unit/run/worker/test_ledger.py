"""From declarations and measurements to the plan of each job."""

from __future__ import annotations

import msgspec

from oakum.model.admission import LEARNED_AFTER, Room
from oakum.model.job import Claimed, Overrides
from oakum.model.outcome import Completed, Failed, Usage
from oakum.model.stats import TaskStats
from oakum.model.task import Manifest, TaskSpec
from oakum.run.worker.ledger import Ledger
from oakum.store.memory import MemoryStore

MIB = 1024 * 1024
SPECS = (
    TaskSpec("declared", memory=50 * MIB, memory_max=150 * MIB, timeout_s=9.0, aliases=("its.old.name",)),
    TaskSpec("learned"),
    TaskSpec("large", memory=4096 * MIB),
    TaskSpec("loop", concurrency=20),
)


def ledger(*, overcommit: bool = False, room_mib: int = 1000) -> Ledger:
    made = Ledger(2, overcommit)
    made.learn(Manifest("shop:app", "memory://", SPECS))
    made.refit(Room(room_mib * MIB, 0, 0, 0))
    return made


def job(task: str, **spent) -> Claimed:
    return Claimed(1, b"1" * 16, task, "default", b"", 1, **spent)


def run(ledger: Ledger, task: str, peak_mib: int, times: int, duration_us: int = 1000) -> None:
    for _ in range(times):
        ledger.note(task, Completed(), Usage(0, duration_us, peak_mib * MIB))


def test_a_declared_task_is_limited_by_what_it_declares_under_all_its_names() -> None:
    for name in ("declared", "its.old.name"):
        plan = ledger().plan(job(name))
        assert (plan.limit, plan.reserve, plan.timeout_s) == (50 * MIB, 50 * MIB, 9.0)


def test_an_undeclared_one_starts_with_its_share_and_learns() -> None:
    book, store = ledger(), MemoryStore()
    share = book.plan(job("learned")).limit
    assert share == 1000 * MIB * 19 // 20 // 2
    run(book, "learned", 100, LEARNED_AFTER - 1)
    book.save(store)
    assert book.plan(job("learned")).limit == share
    run(book, "learned", 100, 1)
    book.save(store)
    assert 125 * MIB <= book.plan(job("learned")).limit < 150 * MIB


def test_going_over_brings_more_up_to_the_ceiling_and_then_nothing() -> None:
    book = ledger()
    plans = [book.plan(job("declared", over=over)) for over in range(3)]
    assert [(plan.limit // MIB, plan.alone) for plan in plans] == [(50, False), (100, False), (150, True)]
    assert [book.may_grow(job("declared", over=over)) for over in range(3)] == [True, True, False]


def test_a_suspect_runs_alone_and_a_jobs_own_options_come_first() -> None:
    book = ledger()
    assert book.plan(job("declared", suspect=True)).alone
    plan = book.plan(job("declared", overrides=Overrides(memory=70 * MIB, timeout_s=1.0)))
    assert (plan.limit, plan.timeout_s, plan.window) == (70 * MIB, 1.0, 1)


def test_what_can_never_fit_is_not_claimed_and_is_named() -> None:
    book = ledger()
    assert "large" not in book.weights()
    assert book.too_large() == {"large": 4096 * MIB}
    book.refit(Room(8192 * MIB, 0, 0, 0))
    assert "large" in book.weights()
    assert book.too_large() == {}


def test_the_share_follows_the_room_when_it_has_changed_enough() -> None:
    book = ledger()
    before = book.plan(job("learned")).limit
    book.refit(Room(990 * MIB, 0, 0, 0))
    assert book.plan(job("learned")).limit == before
    book.refit(Room(1000 * MIB, 100 * MIB, 100 * MIB, 400 * MIB))  # what is reserved changes nothing
    assert book.plan(job("learned")).limit == 800 * MIB * 19 // 20 // 2


def test_short_jobs_are_handed_out_several_at_a_time_and_async_ones_as_many_as_share_a_loop() -> None:
    book, store = ledger(), MemoryStore()
    assert book.plan(job("learned")).window == 1
    run(book, "learned", 1, 4)
    book.save(store)
    assert book.plan(job("learned")).window == 20  # of a millisecond each
    assert (book.plan(job("loop")).window, book.plan(job("loop")).shared) == (20, "loop")


def test_overcommit_reserves_what_was_measured_and_limits_as_ever() -> None:
    book, store = ledger(overcommit=True), MemoryStore()
    run(book, "declared", 10, 30)
    book.save(store)
    plan = book.plan(job("declared"))
    assert plan.limit == 50 * MIB
    assert 10 * MIB <= plan.reserve < 15 * MIB


def test_what_several_workers_measured_is_added_up_in_the_store() -> None:
    store, one, two = MemoryStore(), ledger(), ledger()
    run(one, "learned", 10, 3)
    one.note("learned", Failed("E"), None)
    run(two, "learned", 30, 2)
    one.save(store)
    two.save(store)
    two.save(store)  # nothing new: nothing is counted twice
    stats = store.stats()["learned"]
    assert (stats.runs, stats.failures, stats.duration.count) == (6, 1, 5)
    assert stats.peak.largest == 30 * MIB
    one.load(store.stats())
    run(one, "learned", 10, LEARNED_AFTER - 5)
    one.save(store)
    assert one.plan(job("learned")).limit < 60 * MIB  # it counts those of the other worker


def test_what_is_known_survives_its_encoding() -> None:
    book, store = ledger(), MemoryStore()
    book.note("learned", Completed(), msgspec.structs.replace(Usage(0, 5, 7), retained=11))
    book.save(store)
    stats = TaskStats.decode(store.stats()["learned"].encode())
    assert (stats.busy_us, stats.retained, stats.retained_runs) == (5, 11, 1)
