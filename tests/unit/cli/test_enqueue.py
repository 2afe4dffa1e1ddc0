"""`oakum enqueue`: which task, which arguments, which options; and what is wrong with them in one line."""

from __future__ import annotations

import json

import pytest

from oakum.model.ids import parse_id
from oakum.model.job import JobQuery
from oakum.store.sqlite.store import SqliteStore

APP = """
from oakum import Oakum
app = Oakum("sqlite:///work.db")

@app.task(name="shop.images.resize")
def resize(path: str, width: int = 100) -> int: ...

@app.task(name="shop.films.resize")
def film(path: str) -> int: ...

@app.task(name="cut")
def cut(path: str) -> int: ...
"""


@pytest.fixture
def target(app):
    return app(APP)


@pytest.fixture
def stored(here):
    """The jobs in the application's store, newest first."""
    store = SqliteStore("work.db")
    yield lambda: store.jobs(JobQuery()).jobs
    store.close()


@pytest.mark.parametrize(
    ("words", "payload"),
    [
        (["shop.images.resize", '["a", 1]'], ["a", 1]),
        (["shop.images.resize", '{"width": 7, "path": "a"}'], ["a", 7]),
        (["images.resize", '["a"]'], ["a"]),
        (["cut", '["a"]'], ["a"]),
    ],
)
def test_a_job_is_stored_and_its_id_printed(target, oakum, stored, words, payload):
    import msgspec

    said = oakum("enqueue", target, *words)
    (job,) = stored()
    assert (said.status, said.err, parse_id(said.out.strip())) == (0, "", job.id)
    assert msgspec.msgpack.decode(job.payload) == payload


def test_options_reach_the_job(target, oakum, stored):
    oakum("enqueue", target, "cut", '["a"]', "--queue", "mail", "--priority", "7", "--delay", "1h", "--expires", "2h")
    (job,) = stored()
    assert (job.queue, job.priority, job.state.label) == ("mail", 7, "scheduled")
    assert (job.run_at_ms - job.created_ms, job.expires_ms - job.run_at_ms) == (3_600_000, 7_200_000)


@pytest.mark.parametrize("words", [["--unique", "args"], ["--unique", "task"], ["--idempotency-key", "k"]])
def test_a_job_that_is_there_already_is_not_stored_twice(target, oakum, stored, words):
    first = oakum("enqueue", target, "cut", '["a"]', *words)
    second = oakum("enqueue", target, "cut", '["a"]', *words)
    assert (first.out, second.out, len(stored())) == (first.out, first.out, 1)
    assert (first.err, second.err) == ("", "oakum: not stored: the job with that key is there already\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["resize", '["a"]'], "oakum: task 'resize': this application declares none of that name; it has cut, shop."),
        (["cut", "5"], "oakum: JSON-ARGS: 5 is one value; put it into a list, like '[5]'"),
        (["cut", "[1"], "oakum: JSON-ARGS: '[1' is not JSON ("),
        (["cut", "[1]"], "oakum: cut(path: str) -> int: path: Expected `str`, got `int`"),
        (["cut"], "oakum: cut(path: str) -> int: missing a required argument: 'path'"),
        (["cut", '["a"]', "--delay", "soon"], "oakum: delay: 'soon' is not a duration"),
        (["cut", '["a"]', "--queue", ""], "oakum: queue: '' is not a name"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_stored(target, oakum, stored, words, line):
    said = oakum("enqueue", target, *words)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(line)
    assert stored() == ()


def test_a_store_that_ends_with_the_command_is_refused(app, oakum):
    said = oakum("enqueue", app(APP.replace("sqlite:///work.db", "memory://")), "cut", '["a"]')
    assert (said.status, said.out) == (2, "")
    assert "keeps its jobs in memory://, which ends with this command" in said.err


def test_the_application_says_where_its_jobs_are(target, oakum):
    job = oakum("enqueue", target, "cut", '["a"]').out.strip()
    assert json.loads(oakum("jobs", "--app", target, "--format", "json").out)["jobs"][0]["id"] == job
    assert oakum("jobs", "show", job, "--app", target).out.startswith("cut  available")


def test_one_of_a_kind(target, oakum, stored):
    first = oakum("enqueue", target, "cut", '["a"]', "--unique", "task", "--on-conflict", "replace", "--key", "tenant")
    again = oakum("enqueue", target, "cut", '["b"]', "--unique", "task", "--on-conflict", "replace")
    assert again.out == first.out
    (job,) = stored()
    assert (job.key, job.payload) == ("tenant", b"\x91\xa1b")
    refused = oakum("enqueue", target, "cut", '["c"]', "--unique", "task", "--on-conflict", "reject")
    assert (refused.status, refused.out) == (3, "")
    assert "has the same unique key" in refused.err
    late = oakum("enqueue", target, "cut", '["d"]', "--debounce", "1h")
    assert oakum("enqueue", target, "cut", '["d"]', "--debounce", "1h").out == late.out
    throttled = oakum("enqueue", target, "cut", '["e"]', "--throttle", "1h")
    assert oakum("enqueue", target, "cut", '["e"]', "--throttle", "1h").out == throttled.out
    assert len(stored()) == 3


def test_a_full_queue_is_told_in_one_line(app, oakum):
    target = app(APP + 'app.queue("mail", max_jobs=1)\n')
    assert oakum("enqueue", target, "cut", '["a"]', "--queue", "mail").status == 0
    said = oakum("enqueue", target, "cut", '["a"]', "--queue", "mail", "--block-for", "0")
    assert said.status == 3
    assert said.err.startswith("oakum: queue mail: it holds 1 of 1 jobs")
    assert said.err.count("\n") == 1
    assert oakum("enqueue", target, "cut", '["a"]', "--block-for", "x").status == 2
