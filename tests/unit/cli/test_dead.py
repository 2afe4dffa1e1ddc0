"""`oakum dead`: groups, one group, and running again or letting go: singly, by filter, all, and as a dry run."""

from __future__ import annotations

import json

import pytest

from oakum.model.bounds import Rules
from oakum.model.ids import id_text
from oakum.model.job import NewJob, State
from oakum.model.outcome import Completed, Failed, Lost
from oakum.model.task import TaskSpec


@pytest.fixture
def dead(bench):
    """Three timeouts of task t, one quarantined crash of task u, and one job that is well; ids by word."""
    worker, ids = bench.worker(), {}
    outcomes = {
        "first": ("t", Failed("TimeoutError", "after 1 s")),
        "second": ("t", Failed("TimeoutError", "after 2 s")),
        "third": ("t", Failed("TimeoutError", "after 3 s")),
        "crash": ("u", Lost("killed by signal 11")),
        "well": ("t", Completed()),
    }
    for word, (task, outcome) in outcomes.items():
        job = NewJob(bench.id(), task, b"\x92\x90\x80")
        bench.insert(job)
        (claimed,) = bench.claim(worker, {task: 1})
        bench.end(worker, claimed, outcome, TaskSpec(task, crash_budget=1))
        ids[word] = id_text(job.id)
    return ids


def groups(oakum):
    return {each["task"]: each for each in json.loads(oakum("dead", "--format", "json").out)}


def test_failures_of_one_cause_are_one_line(oakum, dead):
    said = oakum("dead")
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["GROUP", "JOBS", "LAST", "TASK", "ERROR"]
    assert lines[1].split()[1] == "3"
    assert "TimeoutError: after 3 s" in lines[1]
    assert "Lost: killed by signal 11" in lines[2]
    assert len(lines) == 3


def test_as_json(oakum, dead):
    found = groups(oakum)
    assert (found["t"]["jobs"], found["t"]["quarantined"], found["t"]["newest_id"]) == (3, 0, dead["third"])
    assert (found["u"]["jobs"], found["u"]["quarantined"]) == (1, 1)


def test_one_group(oakum, dead):
    said = oakum("dead", "show", groups(oakum)["t"]["fingerprint"])
    assert "3 jobs of t" in said.out
    assert "TimeoutError: after 3 s" in said.out
    assert all(dead[word] in said.out for word in ("first", "second", "third"))


def test_a_group_that_is_none(oakum, dead):
    said = oakum("dead", "show", "nothing")
    assert (said.status, said.out) == (2, "")
    assert "no failed job has the fingerprint 'nothing'" in said.err


def test_a_group_runs_again_and_leaves_the_list(oakum, bench, dead):
    group = groups(oakum)["t"]["fingerprint"]
    assert oakum("dead", "retry", "--group", group, "--dry-run").out.startswith("3 jobs would run again (dry run")
    assert len(groups(oakum)) == 2
    assert oakum("dead", "retry", "--group", group).out == "3 jobs will run again\n"
    assert list(groups(oakum)) == ["u"]
    assert bench.counts()[State.AVAILABLE] == 3
    assert "0 jobs will run again" in oakum("dead", "retry", "--all", "--task", "t").out


def test_as_many_run_again_as_there_is_room_for(oakum, bench, dead):
    bench.store.declare("queue", {"default": Rules(max_jobs=2, on_full="reject")})
    said = oakum("dead", "retry", "--all")
    assert (said.status, said.out) == (3, "2 jobs will run again, 2 left as they are\n")
    assert said.err == "oakum: queue default: it holds 2 of 2 jobs, and one more with 3 B would not fit\n"
    assert bench.counts()[State.AVAILABLE] == 2
    assert sum(each["jobs"] for each in groups(oakum).values()) == 2


def test_what_a_full_queue_drops_at_once_stays_on_the_list(oakum, bench, dead):
    bench.store.declare("queue", {"default": Rules(max_jobs=3, on_full="drop_newest")})
    said = oakum("dead", "retry", "--all")
    assert (said.status, said.out) == (3, "3 jobs will run again, 1 left as they are\n")
    assert said.err == "oakum: their queue is full and drops what comes (drop_newest)\n"
    assert sum(each["jobs"] for each in groups(oakum).values()) == 1


def test_one_is_dropped_by_its_id(oakum, bench, dead):
    assert oakum("dead", "drop", dead["first"]).out == "1 job let go\n"
    assert groups(oakum)["t"]["jobs"] == 2


def test_all_are_dropped(oakum, bench, dead):
    assert oakum("dead", "drop", "--all", "--dry-run").out.startswith("4 jobs would be let go")
    assert oakum("dead", "drop", "--all").out == "4 jobs let go\n"
    assert {state: jobs for state, jobs in bench.counts().items() if jobs} == {State.COMPLETED: 1}
    assert oakum("dead").out.startswith("no dead letters")


def test_a_job_that_is_well_is_left_alone(oakum, bench, dead):
    said = oakum("dead", "drop", dead["well"])
    assert said.status == 3
    assert "is completed, no dead letter" in said.err
    assert bench.counts()[State.COMPLETED] == 1


@pytest.mark.parametrize("words", [["retry"], ["drop"], ["drop", "--all", "0" * 26]])
def test_say_which(oakum, dead, words):
    said = oakum("dead", *words)
    assert said.status == 2
    assert "say which" in said.err


def test_filters_narrow(oakum, dead):
    assert len(json.loads(oakum("dead", "--state", "quarantined", "--format", "json").out)) == 1
    assert len(json.loads(oakum("dead", "--task", "t", "--format", "json").out)) == 1
    assert json.loads(oakum("dead", "--queue", "mail", "--format", "json").out) == []
