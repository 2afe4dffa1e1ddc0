"""Schedules from their declaration to their jobs: options, the test kit, and the store between them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from oakum import All, Oakum, UsageError, at, cron, current, every
from oakum.clock import FakeClock
from oakum.errors import DuplicateJob, QueueFull, StoreError
from oakum.model.job import NewJob, State
from oakum.model.schedule.change import pause
from oakum.model.schedule.decide import SET_BACK_MS
from oakum.model.schedule.spec import Course, Entry, Schedule, decode_course, decode_entry, encode
from oakum.model.schedule.timing import Cron
from oakum.run.link.declared import read_declared, write_declared
from oakum.run.ticker import MOST_WARNINGS, Ticker, find, written
from oakum.run.worker.scheduler import OVERDUE_MS, Scheduler
from oakum.store.base import Identity, Instant
from oakum.store.kept import Scheduled
from oakum.store.memory import MemoryStore

HOUR = 3600.0
WHO = Identity("host", "boot", 1, 2, 3)


@pytest.fixture
def app() -> Oakum:
    return Oakum("memory://")


@pytest.fixture
def refresh(app):
    @app.task(name="refresh")
    def refresh(source: str = "all") -> str:
        return source

    return refresh


# -- declaring ---------------------------------------------------------------------------------------------------------


def test_what_is_declared(app, refresh) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    app.schedule(
        "all of it", every("1s"), refresh.using(priority=3, tags=["a"]).job("x"), overlap="queue_one", catchup=All(max=7),
        jitter="100ms", start=start, end=start + timedelta(days=1), expires="5s", adapt=True,
    )  # fmt: skip
    app.schedule("nothing said", every("1s"), refresh.job())
    template = NewJob(b"", "refresh", refresh.job("x").payload, priority=3, tags=("a",))
    start_ms = 1_893_456_000_000
    assert app.schedules == {
        "all of it": Schedule(every("1s"), template, "queue_one", 7, 100, start_ms, start_ms + 86_400_000, 5000, True),
        "nothing said": Schedule(every("1s"), NewJob(b"", "refresh", refresh.job().payload)),
    }


def test_a_tasks_own_expiry_is_its_schedules(app) -> None:
    @app.task(expires="90s")
    def short() -> None: ...

    app.schedule("short", every("1h"), short.job())
    app.schedule("shorter", every("1h"), short.using(expires="5s").job())
    app.schedule("longer", every("1h"), short.job(), expires="10m")
    assert [schedule.expires_ms for schedule in app.schedules.values()] == [90_000, 5000, 600_000]
    assert {schedule.job.expires_ms for schedule in app.schedules.values()} == {None}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overlap": "wait"}, "overlap='wait' is none; there are skip, queue_one, allow, cancel_running"),
        ({"catchup": "all"}, "catchup='all' is none; there are 'latest', 'none' and All"),
        ({"catchup": All(0)}, "All"),
        ({"catchup": All(10**9)}, "All"),
        ({"jitter": "-1s"}, "schedule x: jitter: '-1s' is not a duration"),
        ({"start": datetime(2030, 1, 1)}, "schedule x: start: .* is no moment"),
        ({"start": datetime(2031, 1, 1, tzinfo=UTC), "end": datetime(2030, 1, 1, tzinfo=UTC)}, "no tick falls between"),
        ({"expires": "soon"}, "schedule x: expires: 'soon' is not a duration"),
        ({"every": "1s"}, "schedule x: there is no option 'every'"),
    ],
)
def test_options_that_make_no_sense(app, refresh, options, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        app.schedule("x", every("1s"), refresh.job(), **options)
    assert app.schedules == {}


def test_schedules_that_make_no_sense(app, refresh) -> None:
    for wrong, words in [
        (("x", "1s", refresh.job()), "'1s' says not when; write every"),
        (("x", every("1s"), refresh), "is no job; write refresh.job"),
        ((" ", every("1s"), refresh.job()), "schedule: ' ' is not a name"),
        (("x", every("1s"), refresh.using(delay="1s").job()), "leave delay, run_at and idempotency_key out"),
        (("x", every("1s"), refresh.using(idempotency_key="1").job()), "leave delay, run_at and idempotency_key out"),
        (("x", every("1s"), NewJob(b"", "stranger", b"")), "task 'stranger': this application declares none"),
    ]:
        with pytest.raises(UsageError, match=words):
            app.schedule(*wrong)
    with pytest.raises(UsageError, match="adapt=True stretches an interval"):
        app.schedule("x", cron("* * * * *"), refresh.job(), adapt=True)
    app.schedule("x", every("1s"), refresh.job())
    with pytest.raises(UsageError, match="schedule x: declared twice"):
        app.schedule("x", every("1s"), refresh.job())


def test_ten_thousand_travel_in_a_file(refresh) -> None:
    job = NewJob(b"", "refresh", b"\x90")
    declared = {f"{number}": Schedule(every(number + 1), job) for number in range(10_000)}
    file = write_declared(declared)
    assert list(read_declared(file)) == sorted(declared.items())
    assert list(read_declared(file)) == sorted(declared.items())  # as often as need be


# -- the kit -----------------------------------------------------------------------------------------------------------


def test_the_kit_fires_ticks_as_time_passes(app, refresh) -> None:
    app.schedule("quarters", every("15m"), refresh.job("q"))
    app.schedule("nightly", cron("35 2 * * *", zone="Europe/Berlin"), refresh.job("n"))  # the kit begins at 00:00 UTC
    app.schedule("once", at(datetime(2026, 1, 1, 0, 20, tzinfo=UTC)), refresh.job("o"))
    with app.testing() as kit:
        assert kit.advance("14m") == 0
        assert kit.advance("2h") == 10
        assert [args[0] for args, _ in kit.calls(refresh)] == ["q", "o", "q", "q", "q", "q", "q", "n", "q", "q"]
        assert {job.state for job in kit.jobs(refresh)} == {State.COMPLETED}


def test_the_kit_takes_a_schedule_that_is_declared_late(app, refresh) -> None:
    with app.testing() as kit:
        kit.advance("1s")
        app.schedule("late", every("1s"), refresh.job())
        assert kit.advance("3s") == 3


def test_an_inline_kit_runs_a_tick_at_once(app, refresh) -> None:
    app.schedule("a", every("1s"), refresh.job())
    with app.testing(inline=True) as kit:
        kit.advance("3s")
        assert [job.state for job in kit.jobs(refresh)] == [State.COMPLETED] * 3


def test_a_job_that_still_waits_makes_the_next_tick_skip(app) -> None:
    @app.task
    def stuck() -> None:
        current().snooze("10s")

    app.schedule("stuck", every("1s"), stuck.using(expires="1h").job())
    with app.testing() as kit:
        kit.advance("10s")
        assert len(kit.jobs(stuck)) == 1
        row = find(kit.store, "stuck")
        assert row is not None and decode_course(row.state).skipped == {"overlap": 9}


def test_a_purge_is_a_task_and_a_schedule(app) -> None:
    app.purge_schedule("old", every("1h"), lambda job: [job.task, job.attempt], memory="32MiB")
    assert app.find_task("purge.old").spec.memory == 32 * 1024**2
    with app.testing() as kit:
        assert kit.advance("1h") == 1
        (view,) = kit.jobs()
        assert app.find_task("purge.old")._handle(view.id).wait() == ["purge.old", 1]


# -- the store ---------------------------------------------------------------------------------------------------------


class Bench:
    """One user of a store in memory, and a clock that stands still."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.holder = self.store.enrol(WHO, 1000, self.now())
        self.safe_ms: int | None = None
        self.ticker = Ticker(self.store, self.now, lambda _: self.safe_ms)

    def now(self) -> Instant:
        return Instant.read(self.clock)

    def declare(self, *names: str, interval: str = "1s", app: str = "shop:app", **options) -> None:
        job = NewJob(b"", "refresh", b"\x90")
        declared = [(name, Schedule(every(interval), job, **options)) for name in sorted(names)]
        for _ in self.ticker.declare(declared, app):
            pass

    def names(self) -> list[str]:
        return [row.name for row in self.store.schedules(limit=1000)]

    def entry(self, name: str) -> Entry:
        row = find(self.store, name)
        assert row is not None
        return decode_entry(row.spec)

    def course(self, name: str) -> Course:
        row = find(self.store, name)
        assert row is not None
        return decode_course(row.state)

    def jobs(self) -> int:
        return sum(count.jobs for count in self.store.counts())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_declarations_are_new_changed_or_gone(bench) -> None:
    many = [f"{number:04}" for number in range(0, 500, 2)]
    bench.declare(*many)
    bench.declare("theirs", app="other:app")
    assert bench.names() == [*many, "theirs"]
    versions = {row.name: row.version for row in bench.store.schedules(limit=1000)}
    bench.declare(*many)
    assert {row.name: row.version for row in bench.store.schedules(limit=1000)} == versions  # nothing was written
    bench.declare("0001", *many[100:], "zz", interval="2s")
    assert bench.names() == ["0001", *many[100:], "theirs", "zz"]
    assert bench.entry("0300").schedule.timing == every("2s")
    assert bench.entry("theirs").schedule.timing == every("1s")
    bench.declare(app="other:app")
    assert bench.names() == ["0001", *many[100:], "zz"]


def test_a_name_is_found_among_its_neighbours(bench) -> None:
    bench.declare("a", "a!", "aa", "b", "Ärger")
    found = {name: find(bench.store, name) for name in ("a", "aa", "a!", "b", "Ärger", "ab", "A", "Ä")}
    assert [name for name, row in found.items() if row is not None] == ["a", "aa", "a!", "b", "Ärger"]
    assert all(row is None or row.name == name for name, row in found.items())


def test_an_operators_word_outlives_the_next_load(bench) -> None:
    bench.declare("a")
    row = find(bench.store, "a")
    paused = pause("a", decode_entry(row.spec), decode_course(row.state))
    assert bench.store.write_schedule(written("a", 2, paused), (), None, bench.now())
    bench.declare("a", interval="5s")
    assert bench.entry("a").paused
    assert bench.entry("a").schedule.timing == every("5s")
    assert bench.store.next_tick() is None


def test_some_due_schedules_fire_at_a_time(bench) -> None:
    bench.declare(*(f"{number:03}" for number in range(60)))
    assert bench.ticker.fire(bench.holder) == 0
    bench.clock.advance(1)
    assert [bench.ticker.fire(bench.holder) for _ in range(4)] == [25, 25, 10, 0]
    assert bench.jobs() == 60


def test_a_leader_that_is_fenced_fires_nothing(bench) -> None:
    bench.declare("a")
    bench.clock.advance(1)
    (seen,) = bench.store.holders()
    bench.store.fence(bench.holder, seen.lease_until_ms)
    assert bench.ticker.fire(bench.holder) == 0
    assert bench.jobs() == 0


def test_one_that_cancels_does_so_when_its_tick_is_written(bench) -> None:
    bench.declare("a", overlap="cancel_running")
    for _ in range(2):
        bench.clock.advance(1)
        assert bench.ticker.fire(bench.holder) == 1
    states = {count.state: count.jobs for count in bench.store.counts()}
    assert states[State.CANCELLED] == 1
    assert bench.course("a").skipped == {}


def test_warnings_come_and_go_and_are_bounded(bench) -> None:
    bench.safe_ms = 1500
    bench.declare(*(f"{number:02}" for number in range(30)))
    bench.clock.advance(1)
    while bench.ticker.fire(bench.holder):
        pass
    assert len(bench.ticker.warnings) == MOST_WARNINGS
    bench.safe_ms = 500
    bench.clock.advance(1)
    while bench.ticker.fire(bench.holder):
        pass
    assert bench.ticker.warnings == {}


def test_a_schedule_of_a_newer_version_is_left_alone(bench) -> None:
    bench.declare("a", "b")
    row = find(bench.store, "a")
    newer = Scheduled("a", 2, row.next_ms, encode({"declared": {"timing": {"type": "moon"}}}), row.state)
    assert bench.store.write_schedule(newer, (), None, bench.now())
    bench.clock.advance(1)
    assert bench.ticker.fire(bench.holder) == 1
    bench.declare("a", "b", interval="5s")
    bench.declare()
    assert list(bench.store.schedules()) == [newer]
    assert bench.ticker.warnings == {"a": "schedule a: written by a newer Oakum than this one; upgrade here"}


def test_a_zone_that_this_host_lacks_stops_nothing_else(bench) -> None:
    bench.declare("a", "b")
    row = find(bench.store, "a")
    entry = replace(bench.entry("a"), timing=Cron("* * * * *", "Mars/Base"))
    assert bench.store.write_schedule(replace(row, version=2, spec=encode(entry)), (), None, bench.now())
    bench.clock.advance(1)
    assert bench.ticker.fire(bench.holder) == 1
    assert "there is no time zone 'Mars/Base' here" in bench.ticker.warnings["a"]


@pytest.mark.parametrize("error", [QueueFull("full", queue="q", jobs=1, bytes=1, max_jobs=1, max_bytes=None, on_full="reject"),
                                   DuplicateJob("there", "1")])  # fmt: skip
def test_a_tick_whose_job_cannot_be_stored_is_over(bench, monkeypatch, error) -> None:
    bench.declare("a")
    write = bench.store.write_schedule

    def refuse(row, jobs, holder, now):
        if jobs:
            raise error
        return write(row, jobs, holder, now)

    monkeypatch.setattr(bench.store, "write_schedule", refuse)
    bench.clock.advance(1)
    assert bench.ticker.fire(bench.holder) == 1
    assert bench.ticker.fire(bench.holder) == 0
    course = bench.course("a")
    assert (course.fired, sum(course.skipped.values()), course.skipped_why in ("queue full", "duplicate")) == (
        0,
        1,
        True,
    )


# -- one worker's part -------------------------------------------------------------------------------------------------


@pytest.fixture
def scheduler(bench) -> Scheduler:
    return Scheduler(bench.store, bench.now, lambda _: None)


def learn(scheduler: Scheduler, bench: Bench, *names: str) -> None:
    job = NewJob(b"", "refresh", b"\x90")
    scheduler.learn(write_declared({name: Schedule(every("10s"), job) for name in names}), "shop:app")
    while scheduler.patience() == 0:
        scheduler.turn(bench.holder)


def test_a_few_schedules_are_there_after_one_turn_however_slow_the_store_is(bench, scheduler, monkeypatch) -> None:
    """So they are before the first job has run, and whoever waited for that finds them."""
    monkeypatch.setattr("oakum.run.worker.scheduler.STEP_S", -1.0)
    scheduler.learn(
        write_declared({name: Schedule(every("10s"), NewJob(b"", "refresh", b"\x90")) for name in "abcdefghij"}),
        "shop:app",
    )
    scheduler.turn(bench.holder)
    assert len(bench.store.schedules()) == 8
    scheduler.turn(bench.holder)
    assert len(bench.store.schedules()) == 10


def test_the_leader_is_patient_until_the_next_tick(bench, scheduler) -> None:
    learn(scheduler, bench, "a")
    scheduler.tick(bench.holder, leads=True)
    assert scheduler.patience() == pytest.approx(10)
    assert not scheduler.turn(bench.holder)
    bench.clock.advance(10)
    assert scheduler.patience() == 0
    assert scheduler.turn(bench.holder)
    assert bench.jobs() == 1
    assert scheduler.patience() == pytest.approx(10)


def test_the_others_take_only_what_was_left_lying(bench, scheduler) -> None:
    learn(scheduler, bench, "a")
    bench.clock.advance(10 + OVERDUE_MS / 1000 - 0.01)
    scheduler.tick(bench.holder, leads=False)
    assert scheduler.patience() == float("inf")
    assert bench.jobs() == 0
    bench.clock.advance(0.01)
    scheduler.tick(bench.holder, leads=False)
    assert bench.jobs() == 1


def test_a_clock_that_is_set_back_far_is_noticed(bench, scheduler) -> None:
    bench.clock.step_wall(400 * 24 * HOUR)
    scheduler.tick(bench.holder, leads=True)
    learn(scheduler, bench, "a")
    bench.clock.step_wall(-400 * 24 * HOUR)
    assert bench.course("a").since_ms > bench.now().wall_ms + SET_BACK_MS
    scheduler.tick(bench.holder, leads=True)
    while scheduler.patience() == 0:
        scheduler.turn(bench.holder)
    assert (bench.course("a").since_ms, bench.course("a").era) == (bench.now().wall_ms, 1)
    assert scheduler.patience() == pytest.approx(10)


def test_trouble_with_the_store_is_told_and_tried_again(bench, scheduler, monkeypatch) -> None:
    def fail(*_: object) -> bool:
        raise StoreError("the disk is away")

    monkeypatch.setattr("oakum.run.worker.scheduler.AGAIN_S", 0)
    with monkeypatch.context() as broken:
        broken.setattr(bench.store, "write_schedule", fail)
        scheduler.learn(write_declared({"a": Schedule(every("10s"), NewJob(b"", "t", b""))}), "shop:app")
        assert not scheduler.turn(bench.holder)
        assert scheduler.notes() == ("schedules: the disk is away",)
        assert bench.names() == []
    scheduler.turn(bench.holder)
    assert bench.names() == ["a"]
    assert scheduler.notes() == ()
