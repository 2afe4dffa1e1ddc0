"""`oakum jobs` and `oakum jobs show`: what is listed, what a story tells, in 80 columns and as JSON."""

from __future__ import annotations

import json

import msgspec
import pytest

from oakum.cli import story_view
from oakum.cli.show import moment
from oakum.inspector.views import JobRow, JobStory, ProgressRow, RunningRow
from oakum.model.ids import id_text
from oakum.model.job import NewJob
from oakum.model.outcome import Completed, Failed, OverBudget
from oakum.model.progress import Progress, encode_progress

SECRET = msgspec.msgpack.encode(["hunter2"])


def test_a_listing_is_newest_first_and_fits_into_80_columns(bench, oakum):
    name = "a.module.with.a.long.name.indeed.resize"
    bench.insert(*(NewJob(bench.id(), name, b"\x90", queue="q" * 100) for _ in range(3)))
    said = oakum("jobs")
    head, *rows = said.out.splitlines()
    assert head.split() == ["ID", "STATE", "TASK", "AGE", "TOOK", "PEAK"]
    assert max(map(len, said.out.splitlines())) <= 80
    assert [row.split()[0] for row in rows] == sorted((row.split()[0] for row in rows), reverse=True)
    assert all(row.split()[2].endswith("indeed.resize") for row in rows)


@pytest.mark.parametrize(
    ("words", "tasks"),
    [
        ([], ["c", "b", "a"]),
        (["--task", "a"], ["a"]),
        (["--queue", "mail"], ["b"]),
        (["--tag", "x"], ["c"]),
        (["--state", "cancelled"], ["a"]),
        (["--state", "available,failed"], ["c", "b"]),
        (["--state", "available", "--state", "cancelled", "--limit", "2"], ["c", "b"]),
    ],
)
def test_filters(bench, oakum, words, tasks):
    (first,) = bench.plain(1, "a")
    bench.plain(1, "b", "mail")
    bench.insert(NewJob(bench.id(), "c", b"\x90", tags=("x",)))
    bench.store.cancel([first.id], bench.now)
    shown = json.loads(oakum("jobs", "--format", "json", *words).out)
    assert [job["task"] for job in shown["jobs"]] == tasks


def test_the_next_page_begins_where_this_one_says(bench, oakum):
    jobs = bench.plain(5)
    *_, more = oakum("jobs", "--limit", "3").out.splitlines()
    assert more == f"older ones: --before {id_text(jobs[2].id)}"
    rest = json.loads(oakum("jobs", "--format", "json", *more.split()[2:]).out)
    assert [job["id"] for job in rest["jobs"]] == [id_text(jobs[1].id), id_text(jobs[0].id)]
    assert rest["before"] is None


def test_on_a_wider_terminal_a_note_says_why(bench, oakum, monkeypatch):
    worker = bench.worker()
    bench.plain(1)
    bench.end(worker, bench.claim_one(worker), Failed("ValueError", "no luck"))
    bench.plain(1)
    bench.store.progress({bench.claim_one(worker).ref: encode_progress(Progress(3, 12, "rows"))}, worker)
    bench.insert(NewJob(bench.id(), "t", b"\x90", run_at_ms=bench.later(7200)))
    monkeypatch.setenv("COLUMNS", "120")
    _, scheduled, running, failed = oakum("jobs").out.splitlines()
    assert "in 1h59m" in scheduled
    assert running.rstrip().endswith("3 of 12 (25%) rows")
    assert failed.rstrip().endswith("ValueError: no luck")


def test_where_there_is_nothing_it_says_what_to_do(bench, oakum):
    assert oakum("jobs").out == "no jobs yet: `oakum enqueue MODULE:APP TASK` makes one\n"
    assert oakum("jobs", "--state", "failed").out == "no such jobs\n"
    assert json.loads(oakum("jobs", "--format", "json").out) == {"jobs": [], "before": None}


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--limit", "0"], 2, "oakum: limit: 0 is not between 1 and 10000"),
        (["--before", "x"], 2, "oakum: job id: 'x' is not one; an id has 26 letters and digits"),
        (["show", "x"], 2, "oakum: job id: 'x' is not one; an id has 26 letters and digits"),
        (["show", "0" * 26], 3, f"oakum: job {'0' * 26}: not in the store (any more)"),
    ],
)
def test_bad_input_is_one_line(bench, oakum, words, status, line):
    said = oakum("jobs", *words)
    assert (said.status, said.out, said.err.count("\n")) == (status, "", 1)
    assert said.err.startswith(line)


def ended(bench, outcome, log: bytes = b"") -> str:
    worker = bench.worker()
    bench.insert(NewJob(bench.id(), "t", SECRET, tags=("x", "y")))
    job = bench.claim_one(worker)
    assert bench.settle(worker, bench.judge(job, outcome, log=log)) == []
    return id_text(job.id)


def test_a_story_tells_how_it_ended_and_what_it_printed(bench, oakum):
    job = ended(bench, Failed("ValueError", "no luck", "Traceback ...\nValueError: no luck"), b"one\n\x1b[2Jtwo\n")
    said = oakum("jobs", "show", job)
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert lines[0] == "t  failed"
    assert "tags       x, y" in lines
    assert "spent      1 start, 1 failed try" in lines
    start = next(place for place, line in enumerate(lines) if line.startswith("start 1"))
    assert lines[start].endswith("failed after 0.00 ms, peak 3 B")
    assert lines[start + 1 :] == ["  Traceback ...", "  ValueError: no luck", "", "log", "one", "�[2Jtwo"]


def test_a_story_says_who_caught_what_went_over(bench, oakum):
    said = oakum("jobs", "show", ended(bench, OverBudget(53, 50, "a.py:3 in f: x", ring=2)))
    assert "  OverBudget: took 53 B of the 50 B it may have at a.py:3 in f: x\n" in said.out
    assert "  caught by the meter, from outside\n" in said.out


def test_arguments_and_result_are_hidden_until_asked_for(bench, oakum):
    job = ended(bench, Completed(msgspec.msgpack.encode({"rows": 3})))
    for words in ([], ["--format", "json"]):
        assert "hunter2" not in oakum("jobs", "show", job, *words).out
    assert "9 B, hidden: --payload shows them" in oakum("jobs", "show", job).out
    shown = oakum("jobs", "show", job, "--payload").out
    assert 'arguments  "hunter2"' in shown
    assert 'result     {"rows":3}' in shown
    call = json.loads(oakum("jobs", "--format", "json", "show", job, "--payload").out)["call"]
    assert call == {"args": ["hunter2"], "kwargs": {}, "result": {"rows": 3}}


def facts(**changed) -> str:
    plain = JobRow(
        id="0" * 26, task="t", queue="q", state="running", priority=0, created_ms=0, run_at_ms=0, ended_ms=None,
        expires_ms=None, starts=1, tries=0, crashes=0, over=0, tags=(), parent=None,
    )  # fmt: skip
    job = msgspec.structs.replace(
        plain, **{name: changed.pop(name) for name in list(changed) if name in JobRow.__struct_fields__}
    )
    story = JobStory(job, (), None, cancel_asked=False, log="", payload_bytes=1)
    lines = story_view._fact_lines(msgspec.structs.replace(story, **changed), 10_000)
    return "\n".join(f"{name}: {value}" for name, value in lines)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"state": "scheduled", "run_at_ms": 70_000}, "due: {at}, in 1m 00s"),
        ({"expires_ms": 70_000}, "expires: {at}, in 1m 00s"),
        ({"ended_ms": 4_000}, ", 6.00 s ago"),
        ({"parent": "1" * 26}, f"parent: {'1' * 26}, enqueued this job or is retried by it"),
        ({"cancel_asked": True}, "cancel: asked for; it still runs"),
        ({"progress": ProgressRow(1, 0, "", 9_000)}, "progress: 1, said "),
        ({"error": "Expired: too late"}, "why: Expired: too late"),
        ({"starts": 0}, "spent: nothing: it was never started"),
        ({"starts": 2, "crashes": 2, "over": 1}, "spent: 2 starts, 2 crashes, 1 time over budget"),
        (
            {"running": RunningRow("ship", 70, 71, 1_500_000, 1024, 2048)},
            "runs in: child 71 of worker 70 on ship, for 1.50 s, 1.00 KiB taken of 2.00 KiB",
        ),
    ],
)
def test_facts_are_told_where_there_is_something_to_tell(changed, line):
    line = line.format(at=moment(70_000))
    assert line in facts(**changed)
    assert line not in facts()


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (ProgressRow(3, 12, "rows", 0), "3 of 12 (25%) rows"),
        (ProgressRow(1234567, 0, "", 0), "1.23457e+06"),
        (ProgressRow(0, 0, "begins", 0), "0 begins"),
    ],
)
def test_progress_in_words(progress, text):
    assert story_view.progress_text(progress) == text
