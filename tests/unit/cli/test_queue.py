"""`oakum queue`: what is listed, what is changed by hand, and how each change is told."""

from __future__ import annotations

import json

import pytest

from oakum.model.bounds import Rate, Rules
from oakum.model.job import NewJob


@pytest.fixture
def queues(bench):
    """ "mail" is at its bound and has jobs held by their key; "calls" is limited; "plain" has no rules."""
    declared = {
        "mail": Rules(max_jobs=4, max_bytes=1 << 20, on_full="reject"),
        "calls": Rules(limit=8, rate=Rate(100, 60_000)),
    }
    bench.store.declare("queue", declared)
    jobs = [NewJob(bench.id(), "send", b"x" * 100, "mail", key="tenant") for _ in range(4)]
    bench.store.insert([*jobs, NewJob(bench.id(), "send", b"x", "plain")], bench.now)
    return bench.store


def rules(store, name="mail"):
    return store.rules("queue")[name]


def test_a_line_for_each(queues, oakum):
    said = oakum("queue")
    assert said == oakum("queue", "list")
    lines = [line.split() for line in said.out.splitlines()]
    assert lines == [
        ["QUEUE", "WAITING", "HELD", "RUNNING", "MAX", "BYTES", "MAX", "BYTES", "USED", "ON", "FULL", "LIMIT", "RATE"],
        ["calls", "-", "-", "-", "-", "-", "-", "-", "-", "8", "100/1m"],
        ["mail", "1", "3", "-", "4", "400B", "1.00M", "100%", "reject", "-", "-"],
        ["plain", "1", "-", "-", "-", "1B", "-", "-", "-", "-", "-"],
    ]
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_nothing_yet(bench, oakum):
    assert oakum("queue").out.startswith("no queues: a job makes its queue")


def test_one_in_words(queues, oakum):
    queues.pause("mail", True)
    out = oakum("queue", "show", "mail").out
    assert "mail, paused" in out
    assert "4 waiting, 3 of them held until their key is free, 0 running, 100% of its bound" in out
    assert "4 jobs or 1.00M of arguments, then reject" in out
    assert "set by hand" not in out
    assert "none" in oakum("queue", "show", "unheard").out


def test_rules_are_set_and_given_back(queues, oakum):
    said = oakum(
        "queue", "set", "mail", "--max-jobs", "5000", "--rate", "10/s", "--key-rate", "1/m", "--on-full", "drop_oldest"
    )
    assert (said.status, said.err) == (0, "")
    assert "5,000 jobs or 1.00M of arguments, then drop_oldest" in said.out
    assert "set by hand" in said.out
    assert rules(queues).rules == Rules(5000, 1 << 20, "drop_oldest", None, Rate(10, 1000), 1, Rate(1, 60_000))
    oakum("queue", "set", "mail", "--max-bytes", "none", "--limit", "3")
    assert rules(queues).rules == Rules(5000, None, "drop_oldest", 3, Rate(10, 1000), 1, Rate(1, 60_000)), (
        "the rest stays"
    )
    assert "mail*" in oakum("queue").out
    assert "* set by hand; `oakum queue reset NAME`" in oakum("queue").out
    assert oakum("queue", "reset", "mail").status == 0
    assert rules(queues).override is None
    assert "*" not in oakum("queue").out


def test_a_bound_below_what_waits_is_told_in_one_line(queues, oakum):
    said = oakum("queue", "set", "mail", "--max-jobs", "2")
    assert said.status == 0
    assert said.err == (
        "oakum: queue mail: max_jobs=2 is below the 4 jobs that it holds already: it takes no more until it holds less\n"
    )


def test_for_programs(queues, oakum):
    oakum("queue", "set", "mail", "--max-jobs", "8")
    calls, mail, _ = json.loads(oakum("queue", "--format", "json").out)
    assert calls["rules"]["rate"] == "100/1m"
    assert (mail["jobs"]["held"], mail["bytes"]) == (3, 400)
    assert (mail["rules"]["max_jobs"], mail["declared"]["max_jobs"], calls["declared"]) == (8, 4, None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rate=-5/s"], "queue mail: rate: '-5/s' is not a rate"),
        (["--max-jobs", "many"], "--max-jobs: 'many' is not a count"),
        (["--max-jobs", "0"], "queue mail: max_jobs: 0 is not a count of at least 1"),
        (["--max-bytes", "x"], "queue mail: max_bytes: 'x' is not a size"),
        (["--on-full", "panic"], "queue mail: on_full: 'panic' is none"),
        ([], "queue set: nothing is to change; give --max-jobs"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(queues, oakum, words, says):
    said = oakum("queue", "set", "mail", *words)
    assert said.status == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert rules(queues).override is None


def test_what_was_dropped_is_counted(queues, bench, oakum):
    bench.store.override("queue", "mail", Rules(max_jobs=2, on_full="drop_oldest"))
    bench.store.insert([NewJob(bench.id(), "send", b"", "mail")], bench.now)
    assert "3 expired or dropped" in oakum("queue", "show", "mail").out
    lines = oakum("status", "--once").out.splitlines()
    heads = next(line.split() for line in lines if line.startswith("QUEUE"))
    mail = next(line.split() for line in lines if line.startswith("mail"))
    assert mail[heads.index("EXPIRED") - len(heads)] == "3"


def test_status_shows_how_full_a_queue_is(queues, oakum):
    out = oakum("status", "--once").out
    assert "OF MAX" in out
    assert "100%" in out
    assert "queue mail is full: 4 of 4 jobs" in " ".join(out.split())
