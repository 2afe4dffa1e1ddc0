"""`oakum task` and `oakum bound`: what is listed, what is changed by hand, what makes no sense."""

from __future__ import annotations

import json

import pytest

from oakum.model.bounds import Rate, Rules


@pytest.fixture
def tasks(bench):
    """ "send" has a limit, a rate and jobs, "plain" has jobs only."""
    bench.store.declare("task", {"send": Rules(limit=8, rate=Rate(100, 60_000))})
    bench.plain(3, task="send")
    bench.plain(1, task="plain")
    return bench.store


def test_a_line_for_each(tasks, oakum):
    said = oakum("task")
    assert said == oakum("task", "list")
    assert [line.split() for line in said.out.splitlines()] == [
        ["TASK", "WAITING", "RUNNING", "LIMIT", "RATE"],
        ["plain", "1", "-", "-", "-"],
        ["send", "3", "-", "8", "100/1m"],
    ]


def test_nothing_yet(bench, oakum):
    assert oakum("task").out.startswith("no tasks: a worker brings")


def test_limits_are_set_and_given_back(tasks, oakum):
    said = oakum("task", "set", "send", "--rate", "10/s", "--limit", "none")
    assert (said.status, said.err) == (0, "")
    assert ["send*", "3", "-", "-", "10/1s"] in [line.split() for line in said.out.splitlines()]
    assert "the code declares limit 8, rate 100/1m for send" in " ".join(said.out.split())
    assert tasks.rules("task")["send"].rules == Rules(rate=Rate(10, 1000))
    oakum("task", "set", "send", "--limit", "2")
    assert tasks.rules("task")["send"].rules == Rules(limit=2, rate=Rate(10, 1000)), "the rest stays"
    assert "*" not in oakum("task", "reset", "send").out
    assert tasks.rules("task")["send"].override is None


def test_a_task_that_nobody_knows_is_pointed_out(tasks, oakum):
    said = oakum("task", "set", "sent", "--limit", "2")
    assert said.status == 0
    assert said.err == "oakum: task sent: no job of it is here, and no worker knows it\n"


def test_for_programs(tasks, oakum):
    oakum("task", "set", "send", "--limit", "2")
    plain, send = json.loads(oakum("task", "--format", "json").out)
    assert (plain["jobs"]["available"], plain["rules"], plain["declared"]) == (1, {"limit": None, "rate": None}, None)
    assert (send["rules"]["limit"], send["declared"]) == (2, {"limit": 8, "rate": "100/1m"})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rate=-5/s"], "task send: rate: '-5/s' is not a rate"),
        (["--limit", "0"], "task send: limit: 0 is not a count of at least 1"),
        (["--limit", "many"], "--limit: 'many' is not a count"),
        ([], "task set: nothing is to change; give --limit, --rate"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(tasks, oakum, words, says):
    said = oakum("task", "set", "send", *words)
    assert (said.status, says in said.err, said.err.count("\n")) == (2, True, 1)
    assert tasks.rules("task")["send"].override is None


def test_status_says_until_when_a_rate_is_spent(tasks, bench, oakum):
    oakum("task", "set", "send", "--rate", "1/1h", "--limit", "none")
    bench.claim(bench.worker(), {"send": 1})
    said = " ".join(oakum("status", "--once").out.split())
    assert "task send has spent its rate of 1/1h: the next may start in" in said


def test_the_bound_of_the_store(bench, oakum):
    assert "nothing is declared: that is the store's own default" in oakum("bound").out
    bench.store.declare("store", {"": Rules(max_bytes=2 << 30)})
    assert "of 2.00G, 0%\n" in oakum("bound").out
    said = oakum("bound", "set", "1GiB")
    assert "of 1.00G, 0%\nset by hand; the code declares 2.00G" in said.out
    row = json.loads(oakum("bound", "--format", "json").out)
    assert (row["limit"], row["max_store"], row["declared"], row["set_by_hand"]) == (1 << 30, 1 << 30, 2 << 30, True)
    assert oakum("bound", "set", "4KiB").err == (
        "oakum: bound set: that is below what the store holds: it takes no more until it holds less\n"
    )
    assert "of 2.00G, 0%\n" in oakum("bound", "reset").out


def test_a_bound_that_is_none(bench, oakum):
    said = oakum("bound", "set", "big")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "bound set: 'big' is not a size" in said.err
