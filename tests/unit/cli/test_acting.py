"""`oakum cancel`, `retry`, `pause` and `resume`: by id and by filter, counted before and after."""

from __future__ import annotations

import pytest

from oakum.model.bounds import Rules
from oakum.model.ids import id_text
from oakum.model.job import JobQuery, State
from oakum.model.outcome import Failed
from oakum.model.task import TaskSpec

NOWHERE = "0" * 26


@pytest.fixture
def jobs(bench):
    """Four jobs of "t": running, failed, and two that wait, the last of them in queue "mail"."""
    worker = bench.worker()
    failed, running, waiting = bench.plain(3)
    (mail,) = bench.plain(1, queue="mail")
    bench.end(worker, bench.claim_one(worker), Failed("ValueError"), TaskSpec("t"))
    bench.claim_one(worker)
    return {"failed": failed.id, "running": running.id, "waiting": waiting.id, "mail": mail.id}


def states(bench, jobs) -> dict[str, str]:
    return {name: bench.state(job_id).label for name, job_id in jobs.items()}


BEFORE = {"failed": "failed", "running": "running", "waiting": "available", "mail": "available"}


def test_cancel_by_ids_says_what_became_of_each(bench, jobs, oakum):
    said = oakum("cancel", *map(id_text, jobs.values()))
    assert said == (0, "2 jobs cancelled, 1 running and asked to stop, 1 had ended before\n", "")
    assert states(bench, jobs) == BEFORE | {"waiting": "cancelled", "mail": "cancelled"}
    assert bench.store.story(jobs["running"]).cancel_asked


def test_an_id_that_is_not_there_is_an_error_and_the_others_are_done(bench, jobs, oakum):
    said = oakum("cancel", NOWHERE, id_text(jobs["mail"]))
    assert said == (3, "1 job cancelled\n", f"oakum: job {NOWHERE}: not in the store (any more)\n")
    assert states(bench, jobs) == BEFORE | {"mail": "cancelled"}


@pytest.mark.parametrize(
    ("words", "count", "changed"),
    [
        (["--all"], 3, {"waiting": "cancelled", "mail": "cancelled"}),
        (["--task", "t", "--queue", "mail"], 1, {"mail": "cancelled"}),
        (["--state", "available"], 2, {"waiting": "cancelled", "mail": "cancelled"}),
        (["--task", "other"], 0, {}),
    ],
)
def test_cancel_by_filters_does_what_a_dry_run_counts(bench, jobs, oakum, words, count, changed):
    dry = oakum("cancel", "--dry-run", *words)
    assert dry.out.split()[0] == str(count)
    assert dry.out.endswith("would be cancelled (dry run: nothing was changed)\n")
    assert states(bench, jobs) == BEFORE
    assert not bench.store.story(jobs["running"]).cancel_asked
    done = oakum("cancel", *words)
    assert (done.status, done.out.split()[0]) == (0, str(len(changed)))
    assert states(bench, jobs) == BEFORE | changed
    assert bench.store.story(jobs["running"]).cancel_asked == (words == ["--all"])


def test_retry_by_id_names_the_new_job(bench, jobs, oakum):
    said = oakum("retry", id_text(jobs["failed"]))
    old, *middle, new = said.out.split()
    assert (said.status, old, middle) == (0, id_text(jobs["failed"]), ["runs", "again", "as"])
    (copy,) = [job for job in bench.store.jobs(JobQuery()).jobs if id_text(job.id) == new]
    assert (copy.parent, copy.state) == (jobs["failed"], State.AVAILABLE)


def test_retry_says_of_each_job_why_it_was_left(bench, jobs, oakum):
    said = oakum("retry", NOWHERE, id_text(jobs["running"]))
    assert (said.status, said.out) == (3, "")
    assert said.err.splitlines() == [
        f"oakum: job {NOWHERE}: not in the store (any more)",
        f"oakum: job {id_text(jobs['running'])}: has not ended; it is running",
    ]


@pytest.mark.parametrize(
    ("words", "count"), [(["--all"], "1 job"), (["--state", "cancelled"], "0 jobs"), (["--queue", "mail"], "0 jobs")]
)
def test_retry_by_filters_does_what_a_dry_run_counts(bench, jobs, oakum, words, count):
    assert oakum("retry", "--dry-run", *words).out == f"{count} would run again (dry run: nothing was changed)\n"
    assert sum(bench.counts().values()) == 4
    assert oakum("retry", *words) == (0, f"{count} will run again\n", "")
    assert sum(bench.counts().values()) == 4 + int(count.split()[0])


def test_retry_says_that_a_queue_is_full(bench, jobs, oakum):
    bench.store.declare("queue", {"default": Rules(max_jobs=2, on_full="reject")})
    full = "queue default: it holds 2 of 2 jobs, and one more with 1 B would not fit"
    assert oakum("retry", "--all") == (3, "0 jobs will run again, 1 left as they are\n", f"oakum: {full}\n")
    one = id_text(jobs["failed"])
    assert oakum("retry", one) == (3, "", f"oakum: job {one}: {full}\n")


@pytest.mark.parametrize("command", ["cancel", "retry"])
@pytest.mark.parametrize("words", [[], ["--dry-run"], [NOWHERE, "--all"], [NOWHERE, "--task", "t"]])
def test_nothing_chosen_or_two_ways_at_once_is_wrong_use(bench, jobs, oakum, command, words):
    said = oakum(command, *words)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("oakum: say which jobs: their ids, or filters like --task or --queue, or --all that are")
    assert states(bench, jobs) == BEFORE


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["cancel", "--state", "failed"], "oakum: --state: jobs that have ended can't be cancelled"),
        (["retry", "--state", "failed,running"], "oakum: --state: only jobs that have ended can run again"),
        (["cancel", "x"], "oakum: job id: 'x' is not one"),
    ],
)
def test_what_cannot_be_is_wrong_use(bench, jobs, oakum, words, line):
    said = oakum(*words)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(line)


def test_pause_and_resume(bench, jobs, oakum):
    assert oakum("pause", "default", "mail") == (
        0,
        "queue default: paused, 1 job waiting, 1 still running\nqueue mail: paused, 1 job waiting, 0 still running\n",
        "",
    )
    assert bench.store.paused() == {"default", "mail"}
    assert oakum("resume", "mail") == (0, "queue mail: open, 1 job waiting\n", "")
    assert bench.store.paused() == {"default"}
    assert oakum("pause", " ").err == "oakum: queue: ' ' is not a name; use 1 to 200 printable characters\n"


@pytest.mark.parametrize(
    "words", [["jobs"], ["status"], ["cancel", "--all"], ["retry", "--all"], ["pause", "q"], ["resume", "q"]]
)
def test_without_a_store_none_is_made(here, oakum, words):
    said = oakum(*words)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"oakum: store: there is no file {here}/oakum.db; a first job makes it")
    assert list(here.iterdir()) == []


def test_a_file_that_is_no_store_is_named(here, oakum):
    (here / "oakum.db").write_text("not a database, and long enough to be seen as none" * 100)
    said = oakum("jobs")
    assert (said.status, said.err.count("\n")) == (3, 1)
    assert "this file is not a SQLite database" in said.err
