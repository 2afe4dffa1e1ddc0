"""`oakum schedule`: what is listed, what is changed by hand, and how each change is told."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from oakum.model.job import JobQuery, NewJob, State
from oakum.model.schedule.spec import Course, Schedule, decode_course, decode_entry, encode
from oakum.model.schedule.timing import Cron, Every
from oakum.run.ticker import Ticker, find

JOB = NewJob(b"", "t", b"\x90")
FAR = Every(86_400_000 * 365)


@pytest.fixture
def schedules(bench):
    """Two that an application declares: "nightly" has gone on for a while, "rare" is new."""
    ticker = Ticker(bench.store, lambda: bench.now, lambda _: None)
    declared = {"nightly": Schedule(Cron("30 2 * * *", "Asia/Kolkata"), JOB), "rare": Schedule(FAR, JOB, "queue_one")}
    for _ in ticker.declare(sorted(declared.items()), "shop:app"):
        pass
    row = find(bench.store, "nightly")
    course = replace(
        decode_course(row.state), fired=1200, late=3, fired_ms=bench.now.wall_ms - 250_000, skipped={"overlap": 7, "missed": 2},
        skipped_ms=bench.now.wall_ms, skipped_why="overlap", safe_ms=90_000_000,
    )  # fmt: skip
    assert bench.store.write_schedule(replace(row, version=2, state=encode(course)), (), None, bench.now)


@pytest.fixture
def course(bench):
    return lambda name: decode_course(find(bench.store, name).state)


def test_a_line_for_each_and_what_is_wrong(schedules, oakum):
    said = oakum("schedule")
    lines = said.out.splitlines()
    assert lines[0].split() == ["SCHEDULE", "TICKS", "NEXT", "LAST", "FIRED", "SKIPPED"]
    assert lines[1].startswith("nightly   30 2 * * * (Asia/Kolkata)  ")
    assert lines[1].split()[7] == "in"
    assert lines[1].split()[-3:] == ["4m10s", "1,200", "9"]
    assert lines[2].split()[0] == "rare"
    assert lines[2].split()[-3:] == ["-", "-", "-"]
    warning = " ".join(" ".join(lines[3:]).split())
    assert warning.startswith("! schedule nightly: ticks every 1d 0h, but every 1d 1h is the fastest that is safe")
    assert oakum("schedule", "list") == said
    assert all(len(line) <= 80 for line in lines[:3])


def test_a_wide_terminal_shows_the_task_and_the_overlap(schedules, oakum, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = oakum("schedule").out.splitlines()
    assert "TASK" in lines[0]
    assert lines[2].split()[-1] == "queue_one"


def test_json_for_programs(schedules, oakum):
    nightly, rare = json.loads(oakum("schedule", "--format", "json").out)
    assert (nightly["name"], nightly["state"], nightly["timing"]) == (
        "nightly",
        "ticking",
        "30 2 * * * (Asia/Kolkata)",
    )
    assert (nightly["fired"], nightly["late"], nightly["skipped"]) == (1200, 3, {"missed": 2, "overlap": 7})
    assert (nightly["safe_s"], nightly["set_by_hand"]) == (90_000.0, False)
    assert rare["fired_ms"] is None
    assert json.loads(oakum("schedule", "show", "rare", "--format", "json").out) == [rare]


def test_everything_about_one(schedules, oakum):
    said = " ".join(oakum("schedule", "show", "nightly").out.split())
    for words in (
        "fired 1,200, 3 of them caught up",
        "skipped 2 missed while no worker ran, or too late",
        "skipped 7 because the job before had not ended",
        "catch-up latest",
        "declared by shop:app",
        "its jobs oakum jobs --tag 'schedule:nightly'",
        "safe every 1d1h or more, as last measured",
    ):
        assert words in said


def test_a_pause_and_what_ends_it(bench, schedules, oakum, course):
    assert oakum("schedule", "pause", "nightly", "rare").out == (
        "schedule nightly: 30 2 * * * (Asia/Kolkata), paused\nschedule rare: every 365d, paused\n"
    )
    assert bench.store.next_tick() is None
    assert "paused" in oakum("schedule").out
    assert "schedules 2, 2 of them paused or over" in oakum("status").out
    assert oakum("schedule", "resume", "rare").out.startswith("schedule rare: every 365d, next tick in ")
    assert course("rare").skipped == {}


def test_another_timing_until_it_is_reset(bench, schedules, oakum):
    assert oakum("schedule", "set", "rare", "--every", "5s").out.startswith(
        "schedule rare: every 5s, set by hand, next tick in "
    )
    text = "0 7 * * mon-fri"
    said = oakum("schedule", "set", "rare", "--cron", text, "--zone", "America/New_York")
    assert said.out.startswith(f"schedule rare: {text} (America/New_York), set by hand, next tick in ")
    assert "* set by hand; `oakum schedule reset NAME` gives back to the code" in oakum("schedule").out
    oakum("schedule", "pause", "rare")
    assert oakum("schedule", "reset", "rare").out.startswith("schedule rare: every 365d, next tick in ")
    entry = decode_entry(find(bench.store, "rare").spec)
    assert (entry.timing, entry.paused) == (None, False)


def test_one_by_hand(bench, schedules, oakum, course):
    job = oakum("schedule", "trigger", "rare").out.split()[-1]
    (view,) = bench.store.jobs(JobQuery(tag="schedule:rare")).jobs
    assert (view.state, view.task) == (State.AVAILABLE, "t")
    assert json.loads(oakum("jobs", "--tag", "schedule:rare", "--format", "json").out)["jobs"][0]["id"] == job
    assert course("rare") == Course(course("rare").since_ms, triggered=1, jobs=(view.id,))


def test_one_that_is_dropped(bench, schedules, oakum):
    assert oakum("schedule", "drop", "rare").out == "schedule rare: dropped; its jobs stay\n"
    assert find(bench.store, "rare") is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("show", "nope"), "schedule 'nope': there is none of that name; the store has nightly, rare"),
        (("pause", "rare", "nope"), "schedule 'nope': there is none"),
        (("drop", "nope"), "schedule 'nope': there is none"),
        (("set", "rare", "--every", "0s"), "every: '0s' is not a duration"),
        (("set", "rare", "--cron", "0 0 30 2 *"), "makes no sense or never fires"),
        (("set", "rare", "--cron", "* * * * *", "--zone", "Mars/Base"), "there is no time zone 'Mars/Base' here"),
        (("set", "rare", "--every", "1s", "--zone", "UTC"), "--zone: an interval has no time zone"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(schedules, oakum, words, error):
    said = oakum("schedule", *words)
    assert said.status == 2
    assert error in said.err
    assert said.err.count("\n") == 1


def test_a_store_without_any(bench, oakum):
    assert oakum("schedule").out.startswith("no schedules: `app.schedule(...)` declares one")
    assert "schedules" not in oakum("status").out
