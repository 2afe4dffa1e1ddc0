"""What people are shown of one job: each way in which a start can end, and where the job stands."""

from __future__ import annotations

import msgspec
import pytest

from oakum.inspector.story import job_row, job_story, start_row
from oakum.inspector.views import Call, ProgressRow, RunningRow, StartRow, WorkerRow
from oakum.model.ids import id_text
from oakum.model.job import JobView, State
from oakum.model.outcome import (
    Cancelled,
    Completed,
    Expired,
    Failed,
    Lost,
    Outcome,
    OverBudget,
    Record,
    Released,
    Snoozed,
    TimedOut,
    Usage,
    encode_record,
)
from oakum.model.progress import Progress, encode_progress
from oakum.model.report import ChildReport, WorkerReport
from oakum.store.base import Story
from oakum.store.kept import Start

ID = bytes(range(16))
USAGE = Usage(started_ms=5, duration_us=7_000, peak=4096, resting=8192, retained=100)


def view(state: State = State.COMPLETED, record: Record | None = None, **more) -> JobView:
    plain = JobView(
        id=ID, task="t", queue="q", state=state, priority=1, created_ms=1, run_at_ms=2, ended_ms=9, expires_ms=None,
        tries=0, crashes=0, over=0, token=1, payload=msgspec.msgpack.encode([1, "two"]),
        record=encode_record(record) if record is not None else None,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **more)


def told(outcome: Outcome, usage: Usage | None = USAGE) -> StartRow:
    return start_row(Record(3, outcome, usage), 9)


@pytest.mark.parametrize(
    ("outcome", "name", "caught_by", "type", "message"),
    [
        (Completed(), "completed", "", "", ""),
        (Failed("ValueError", "no luck"), "failed", "", "ValueError", "no luck"),
        (Snoozed(5.0), "snoozed", "", "", ""),
        (Cancelled("while it ran"), "cancelled", "", "Cancelled", "while it ran"),
        (OverBudget(53, 50, ring=1), "over budget", "child", "OverBudget", "took 53 B of the 50 B it may have"),
        (OverBudget(53, 50, ring=2), "over budget", "meter", "OverBudget", "took 53 B of the 50 B it may have"),
        (OverBudget(53, 50, ring=3), "over budget", "kernel", "OverBudget", "took 53 B of the 50 B it may have"),
        (TimedOut(1.0), "timed out", "child", "TimedOut", "ran longer than 1.00 s and was stopped"),
        (TimedOut(1.0, hard=True), "timed out", "worker", "TimedOut", "ran longer than 1.00 s and had to be killed"),
        (Lost("killed by signal 11"), "lost", "worker", "Lost", "killed by signal 11"),
        (Expired("too late"), "expired", "", "Expired", "too late"),
        (Released("the worker stopped"), "given back", "", "Released", "the worker stopped"),
    ],
)
def test_each_way_to_end(outcome, name, caught_by, type, message):
    start = told(outcome)
    assert (start.outcome, start.caught_by, start.type, start.message) == (name, caught_by, type, message)
    assert (start.number, start.started_ms, start.ended_ms, start.duration_us) == (3, 5, 9, 7_000)
    assert (start.peak, start.resting, start.retained, start.exact) == (4096, 8192, 100, True)


def test_what_was_not_measured_is_unknown():
    start = told(OverBudget(53, 50), None)
    assert (start.started_ms, start.duration_us, start.resting, start.retained) == (None, None, None, None)
    assert (start.peak, start.limit, start.exact) == (53, 50, False)  # the outcome itself says so much
    assert told(Lost("x"), None).peak is None


def test_a_stack_is_shown_where_there_is_no_traceback():
    assert told(OverBudget(53, 50, where="a.py:1 in f\nb.py:2 in g")).traceback == "a.py:1 in f\nb.py:2 in g"
    assert told(OverBudget(53, 50, where="a.py:1 in f: x = 1")).traceback == ""  # the message has it already
    assert told(OverBudget(53, 50, where="a\nb", traceback="Traceback ...")).traceback == "Traceback ..."


def test_a_row_tells_the_last_start_and_its_error_in_one_line():
    row = job_row(view(State.FAILED, Record(2, Failed("ValueError", "two\n  lines"), USAGE), token=2, parent=ID))
    assert (row.id, row.state, row.starts, row.parent) == (id_text(ID), "failed", 2, id_text(ID))
    assert (row.outcome, row.error, row.duration_us, row.peak) == ("failed", "ValueError: two lines", 7_000, 4096)


def test_a_row_of_a_job_that_was_never_started():
    row = job_row(view(State.AVAILABLE, progress=encode_progress(Progress(3, 4, "half", 8))))
    assert (row.outcome, row.error, row.duration_us, row.peak) == ("", "", None, None)
    assert row.progress == ProgressRow(3, 4, "half", 8)


def story(job: JobView, *starts: Start, workers: tuple[WorkerRow, ...] = (), with_call: bool = False):
    return job_story(Story(job, starts, "a line\n", cancel_asked=True), workers, with_call=with_call)


def failed_start(token: int) -> Start:
    return Start(token, 6, encode_record(Record(token, Failed("ValueError"), USAGE)))


def test_a_completed_job_has_its_last_start_in_its_own_record():
    shown = story(view(record=Record(2, Completed(), USAGE)), failed_start(1))
    assert [(start.number, start.outcome) for start in shown.starts] == [(1, "failed"), (2, "completed")]
    assert (shown.log, shown.cancel_asked, shown.payload_bytes) == ("a line\n", True, 6)


def test_a_failed_job_has_each_start_once():
    shown = story(view(State.FAILED, Record(1, Failed("ValueError"), USAGE)), failed_start(1))
    assert [start.number for start in shown.starts] == [1]


def test_what_ended_without_a_start_has_none():
    shown = story(view(State.CANCELLED, Record(0, Cancelled("before it started"))))
    assert shown.starts == ()
    assert shown.job.error == "Cancelled: before it started"


def test_arguments_and_result_are_shown_only_when_asked_for():
    job = view(record=Record(1, Completed(msgspec.msgpack.encode({"n": 3}))))
    assert story(job).call is None
    assert b"two" not in msgspec.json.encode(story(job))
    assert story(job, with_call=True).call == Call([1, "two"], {}, {"n": 3})


def test_keyword_arguments_are_shown_by_their_names():
    job = view(payload=msgspec.msgpack.encode({"a": [1], "k": {"b": 2}}))
    assert story(job, with_call=True).call == Call([1], {"b": 2})


def test_where_it_runs_is_in_the_reports():
    child = ChildReport(99, resting=1, reserved=50, measured=20, task="t", job_id=id_text(ID), running_s=1.5)
    report = WorkerReport(
        pid=4711, app="", state="running", started_ms=0, at_ms=0, room=1, supervisor=1, template=1, slots=1,
        children=(child,), rings=(), durability="",
    )  # fmt: skip
    silent = WorkerRow(1, "elsewhere", 1, "starting")
    shown = story(view(State.RUNNING), workers=(silent, WorkerRow(2, "ship", 4711, "running", report)))
    assert shown.running == RunningRow("ship", 4711, 99, 1_500_000, 20, 50)
    assert story(view(State.RUNNING), workers=(silent,)).running is None
