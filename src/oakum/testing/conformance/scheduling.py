"""Checks: a schedule is written with its jobs or not at all, and only by whoever saw it last."""

from __future__ import annotations

from oakum.errors import QueueFull
from oakum.model.bounds import Rules
from oakum.model.job import DEFAULT_QUEUE, NewJob, State
from oakum.store.kept import Scheduled
from oakum.testing.conformance.bench import Bench


def _row(name: str, version: int = 1, next_ms: int | None = 5000, spec: bytes = b"spec") -> Scheduled:
    return Scheduled(name, version, next_ms, spec, b"state")


def _write(bench: Bench, row: Scheduled, *jobs: NewJob, holder: int | None = None) -> bool:
    return bench.store.write_schedule(row, jobs, holder, bench.now)


def a_schedule_is_kept_as_it_was_written(bench: Bench) -> None:
    assert _write(bench, _row("a"))
    assert _write(bench, _row("never", next_ms=None))
    assert list(bench.another().schedules()) == [_row("a"), _row("never", next_ms=None)]


def a_schedule_is_changed_by_whoever_saw_it_last(bench: Bench) -> None:
    assert _write(bench, _row("a", 1))
    assert not _write(bench, _row("a", 1, spec=b"also the first"))
    assert not _write(bench, _row("a", 3, spec=b"from the future"))
    assert _write(bench, _row("a", 2, spec=b"new"))
    assert not _write(bench, _row("a", 2, spec=b"late"))
    assert list(bench.store.schedules()) == [_row("a", 2, spec=b"new")]


def the_first_version_of_a_schedule_is_one(bench: Bench) -> None:
    assert not _write(bench, _row("a", 2))
    assert list(bench.store.schedules()) == []


def a_ticks_jobs_come_with_the_change(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"p", tags=("schedule:a",), run_at_ms=bench.now.wall_ms - 1)
    assert _write(bench, _row("a"), job)
    (claimed,) = bench.claim(bench.worker())
    assert (claimed.id, claimed.tags) == (job.id, job.tags)


def a_tick_that_lost_the_race_leaves_no_job(bench: Bench) -> None:
    assert _write(bench, _row("a"))
    first, second = (NewJob(bench.id(), "t", b"p") for _ in range(2))
    assert _write(bench, _row("a", 2), first)
    assert not _write(bench, _row("a", 2), second)
    assert bench.store.outcome(first.id) is not None
    assert bench.store.outcome(second.id) is None


def a_fenced_leader_writes_nothing(bench: Bench) -> None:
    leader, job = bench.worker(), NewJob(bench.id(), "t", b"p")
    assert _write(bench, _row("a"), holder=leader)
    (seen,) = bench.store.holders()
    assert bench.store.fence(leader, seen.lease_until_ms)
    assert not _write(bench, _row("a", 2), job, holder=leader)
    assert bench.store.outcome(job.id) is None
    assert list(bench.store.schedules()) == [_row("a")]


def a_stranger_who_leads_writes_nothing(bench: Bench) -> None:
    assert not _write(bench, _row("a"), holder=bench.worker() + 1)
    assert list(bench.store.schedules()) == []


def a_tick_whose_queue_is_full_changes_nothing(bench: Bench) -> None:
    bench.store.declare("queue", {DEFAULT_QUEUE: Rules(max_jobs=1, on_full="reject")})
    bench.plain(1)
    assert _write(bench, _row("a"))
    try:
        _write(bench, _row("a", 2), NewJob(bench.id(), "t", b"p"))
    except QueueFull:
        pass
    else:
        raise AssertionError("a full queue took one more")
    assert list(bench.store.schedules()) == [_row("a")]
    assert bench.counts() == {State.AVAILABLE: 1}
    assert _write(bench, _row("a", 2))  # without the job it is fine


def schedules_are_listed_by_name_a_page_at_a_time(bench: Bench) -> None:
    names = sorted(["a", "B", "a b", "é", "z", "ab"])  # by code points, whatever the language of the server
    for name in reversed(names):
        assert _write(bench, _row(name))
    assert [row.name for row in bench.store.schedules(limit=4)] == names[:4]
    assert [row.name for row in bench.store.schedules(after=names[3], limit=4)] == names[4:]
    assert list(bench.store.schedules(after="~~~~")) == [_row("é")]


def due_schedules_come_earliest_first(bench: Bench) -> None:
    for name, next_ms in (("late", 900), ("soon", 100), ("now", 500), ("never", None), ("after", 501)):
        assert _write(bench, _row(name, next_ms=next_ms))
    assert [row.name for row in bench.store.schedules(due_ms=500)] == ["soon", "now"]
    assert [row.name for row in bench.store.schedules(due_ms=1000, limit=3)] == ["soon", "now", "after"]
    assert list(bench.store.schedules(due_ms=99)) == []


def the_next_tick_is_the_least_of_all(bench: Bench) -> None:
    assert bench.store.next_tick() is None
    assert _write(bench, _row("never", next_ms=None))
    assert bench.store.next_tick() is None
    assert _write(bench, _row("a", next_ms=700))
    assert _write(bench, _row("b", next_ms=300))
    assert bench.store.next_tick() == 300
    assert _write(bench, _row("b", 2, next_ms=None))
    assert bench.store.next_tick() == 700


def a_schedule_that_is_dropped_is_gone_and_its_jobs_stay(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"p")
    assert _write(bench, _row("a"), job)
    assert bench.store.drop_schedule("a")
    assert not bench.store.drop_schedule("a")
    assert list(bench.store.schedules()) == []
    assert bench.store.next_tick() is None
    assert bench.state(job.id) is State.AVAILABLE
    assert _write(bench, _row("a"))  # from the beginning again


def a_tick_written_twice_is_one_job(bench: Bench) -> None:
    job = NewJob(bench.id(), "t", b"p")
    assert _write(bench, _row("a"), job)
    assert _write(bench, _row("a", 2), job)  # its id says that it is the same
    assert bench.counts() == {State.AVAILABLE: 1}


def a_ticks_jobs_ring(bench: Bench) -> None:
    bell = bench.another().listen("work")
    assert _write(bench, _row("a"), NewJob(bench.id(), "t", b"p"))
    assert bell.wait(5)
    bell.close()
