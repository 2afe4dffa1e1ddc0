"""Checks: what becomes of a start is written once, by its holder, or not at all."""

from __future__ import annotations

from msgspec.structs import replace

from oakum.model.job import NewJob, State, Unique
from oakum.model.lifecycle import STARTS_KEPT
from oakum.model.outcome import Completed, Failed, Lost, OverBudget, Released, Snoozed, TimedOut, decode_record
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.testing.conformance.bench import USAGE, Bench

RETRYING = TaskSpec("t", retry=(RetryRule(99, delay_s=10, jitter=0),), crash_budget=99)


def a_completed_job_keeps_its_result_for_its_time(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Completed(b"result"), TaskSpec("t", result_ttl_s=60))
    record = bench.record(job.id)
    assert (record.outcome, record.usage, record.token) == (Completed(b"result"), USAGE, 1)
    assert (bench.state(job.id), bench.view(job.id).ended_ms) == (State.COMPLETED, bench.now.wall_ms)
    assert bench.store.held(worker, 9) == []
    bench.clock.advance(59)
    assert (bench.store.prunable(bench.now), bench.store.prune(bench.now)) == (0, 0)
    bench.clock.advance(1)
    assert (bench.store.prunable(bench.now), bench.store.prune(bench.now)) == (1, 1)


def to_settle_nothing_changes_nothing(bench: Bench) -> None:
    assert bench.settle(bench.worker()) == []


def a_job_is_settled_once(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    bench.end(worker, claimed, Completed(b"first"))
    assert bench.settle(worker, bench.judge(claimed, Completed(b"second"))) == [0]
    assert bench.settle(worker, bench.judge(claimed, Failed("E"))) == [0]
    assert bench.record(job.id).outcome == Completed(b"first")
    assert bench.counts() == {State.COMPLETED: 1}


def only_the_holder_settles_and_only_with_the_last_token(bench: Bench) -> None:
    (job,) = bench.plain(1)
    slow, quick = bench.worker(), bench.worker()
    first = bench.claim_one(slow)
    bench.end(slow, first, Released())
    second = bench.claim_one(quick)
    stale, stolen = bench.judge(first, Completed(b"stale")), bench.judge(second, Completed(b"stolen"))
    assert bench.settle(slow, stale, stolen) == [0, 1]
    assert bench.settle(quick, stale) == [0]
    assert bench.state(job.id) is State.RUNNING
    bench.end(quick, second, Completed(b"good"))
    assert bench.record(job.id).outcome == Completed(b"good")


def a_stale_token_does_not_settle_a_later_claim_of_the_same_worker(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    first = bench.claim_one(worker)
    bench.end(worker, first, Released())
    bench.claim_one(worker)
    assert bench.settle(worker, bench.judge(first, Completed(b"stale"))) == [0]
    assert bench.state(job.id) is State.RUNNING


def the_late_ones_of_a_batch_do_not_hold_up_the_others(bench: Bench) -> None:
    jobs = bench.plain(5)
    worker = bench.worker()
    claimed = bench.claim(worker)
    bench.end(worker, claimed[1], Completed(b"before"))
    batch = [bench.judge(job, Completed(b"now")) for job in claimed]
    batch[3] = bench.judge(claimed[3], Released())
    unknown = replace(batch[0], ref=max(job.ref for job in claimed) + 1)
    assert bench.settle(worker, *batch, unknown, batch[0]) == [1, 5, 6]
    assert [bench.record(job.id).outcome for job in jobs[:3]] == [
        Completed(b"now"),
        Completed(b"before"),
        Completed(b"now"),
    ]
    assert bench.counts() == {State.COMPLETED: 4, State.AVAILABLE: 1}


def a_failed_job_is_tried_again_when_it_says(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Failed("E", "first"), RETRYING)
    assert (bench.state(job.id), bench.view(job.id).run_at_ms) == (State.SCHEDULED, bench.later(10))
    assert bench.record(job.id).outcome == Failed("E", "first")
    bench.clock.advance(9.999)
    assert bench.claim(worker) == []
    bench.clock.advance(0.001)
    again = bench.claim_one(worker)
    assert (again.tries, again.crashes, again.over, again.token) == (1, 0, 0, 2)
    assert bench.record(job.id).outcome == Failed("E", "first")  # of the last start that has ended


def budgets_are_kept_apart(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    for outcome in (Failed("E"), Lost("gone"), Lost("host gone", host=True), TimedOut(1.0), Snoozed(5.0)):
        bench.end(worker, bench.claim_one(worker), outcome, RETRYING)
        bench.clock.advance(3600)
    claimed = bench.claim_one(worker)
    assert (claimed.tries, claimed.crashes, claimed.over) == (2, 2, 0)
    assert bench.settle(worker, bench.judge(claimed, OverBudget(2, 1))) == []
    view = bench.view(job.id)
    assert (view.state, view.tries, view.crashes, view.over) == (State.QUARANTINED, 2, 2, 1)


def a_suspect_is_marked_until_it_ends_well(bench: Bench) -> None:
    bench.plain(1)
    worker = bench.worker()
    bench.end(worker, bench.claim_one(worker), Lost("host gone", host=True), RETRYING)
    bench.clock.advance(3600)
    suspect = bench.claim_one(worker)
    assert suspect.suspect
    bench.end(worker, suspect, Failed("E"), RETRYING)
    bench.clock.advance(3600)
    assert not bench.claim_one(worker).suspect


def a_released_job_keeps_its_place(bench: Bench) -> None:
    jobs = bench.plain(3)
    worker = bench.worker()
    first = bench.claim_one(worker)
    bench.clock.advance(100)
    bench.plain(1)
    bench.end(worker, first, Released())
    view = bench.view(jobs[0].id)
    assert (view.state, view.tries, view.run_at_ms) == (State.AVAILABLE, 0, bench.later(-100))
    assert bench.claim_one(worker).id == jobs[0].id


def a_jobs_story_holds_its_last_starts_in_order(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    for number in range(STARTS_KEPT + 3):
        claimed = bench.claim_one(worker)
        outcome = Failed("E", str(number))
        assert bench.settle(worker, bench.judge(claimed, outcome, RETRYING, b"%d " % number)) == []
        bench.clock.advance(3600)
    bench.end(worker, bench.claim_one(worker), Completed())
    story = bench.store.story(job.id)
    assert story is not None
    assert [start.token for start in story.starts] == list(
        range(5, STARTS_KEPT + 4)
    )  # the last one is told by its record
    assert decode_record(story.starts[0].record).outcome == Failed("E", "4")
    assert story.starts[-1].ended_ms == bench.later(-3600)
    assert story.log.split() == [str(number) for number in range(4, STARTS_KEPT + 3)]


def logs_that_are_no_text_do_no_harm(bench: Bench) -> None:
    (job,) = bench.plain(1)
    worker = bench.worker()
    bench.settle(worker, bench.judge(bench.claim_one(worker), Completed(), log=b"ok \xff\x00 \xe2"))
    story = bench.store.story(job.id)
    assert story is not None and story.log.startswith("ok ")


def what_follows_comes_in_with_the_end(bench: Bench) -> None:
    bench.plain(1)
    worker = bench.worker()
    next_one = NewJob(bench.id(), "next", b"", "elsewhere")
    later = NewJob(bench.id(), "next", b"", run_at_ms=bench.later(60))
    settlement = replace(bench.judge(bench.claim_one(worker), Completed()), follow=(next_one, later))
    assert bench.settle(worker, settlement) == []
    assert bench.counts() == {State.COMPLETED: 1, State.AVAILABLE: 1, State.SCHEDULED: 1}
    assert bench.view(next_one.id).queue == "elsewhere"


def what_follows_a_late_end_does_not_come_in(bench: Bench) -> None:
    bench.plain(1)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    bench.end(worker, claimed, Released())
    settlement = replace(bench.judge(claimed, Completed()), follow=(NewJob(bench.id(), "next", b""),))
    assert bench.settle(worker, settlement) == [0]
    assert bench.counts() == {State.AVAILABLE: 1}


def what_follows_minds_keys(bench: Bench) -> None:
    bench.plain(1)
    bench.insert(NewJob(bench.id(), "other", b"", unique=Unique(b"k")))
    worker = bench.worker()
    taken, free = (NewJob(bench.id(), "other", b"", unique=Unique(key)) for key in (b"k", b"free"))
    settlement = replace(bench.judge(bench.claim_one(worker), Completed()), follow=(taken, free))
    assert bench.settle(worker, settlement) == []
    assert bench.store.outcome(taken.id) is None
    assert bench.state(free.id) is State.AVAILABLE


def what_follows_may_have_a_key_that_the_batch_gives_back(bench: Bench) -> None:
    bench.insert(NewJob(bench.id(), "t", b""), NewJob(bench.id(), "t", b"", unique=Unique(b"k")))
    worker = bench.worker()
    first, keyed = bench.claim(worker)
    heir = NewJob(bench.id(), "other", b"", unique=Unique(b"k"))
    with_heir = replace(bench.judge(first, Completed()), follow=(heir,))
    assert bench.settle(worker, with_heir, bench.judge(keyed, Completed())) == []
    assert bench.state(heir.id) is State.AVAILABLE


def progress_is_seen_while_a_start_lasts(bench: Bench) -> None:
    jobs = bench.plain(2)
    worker, other = bench.worker(), bench.worker()
    mine, others = bench.claim_one(worker), bench.claim_one(other)
    bench.store.progress({mine.ref: b"half", others.ref: b"not mine", others.ref + 1: b"nobody's"}, worker)
    assert (bench.view(jobs[0].id).progress, bench.view(jobs[1].id).progress) == (b"half", None)
    bench.store.progress({mine.ref: b"more"}, worker)
    assert bench.view(jobs[0].id).progress == b"more"
    bench.end(worker, mine, Failed("E"), RETRYING)
    assert bench.view(jobs[0].id).progress is None
    bench.store.progress({mine.ref: b"late"}, worker)
    assert bench.view(jobs[0].id).progress is None
