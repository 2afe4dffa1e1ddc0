"""Rules that another makes pointless, and names that look misspelt."""

from __future__ import annotations

import pytest

from oakum import Oakum
from oakum.run.load import manifest
from oakum.run.odd_rules import odd_rules


def odd(queue: dict | None = None, task: dict | None = None) -> list[str]:
    app = Oakum("memory://")
    app.queue("mail", **(queue or {}))
    app.task(name="send", queue="mail", **(task or {}))(lambda: None)
    told = list(odd_rules(app.desk.declared, [app.tasks["send"].spec]))
    assert list(manifest(app, "shop:app").warnings) == told
    return told


@pytest.mark.parametrize(
    ("queue", "task", "says"),
    [
        ({"limit": 4, "key_limit": 5}, {}, "queue mail: key_limit=5 is above its limit=4, and never reached"),
        (
            {"rate": "10/1m", "key_rate": "60/1m"},
            {},
            "queue mail: key_rate=60/1m is above its rate=10/1m, and never reached",
        ),
        ({"limit": 4}, {"limit": 8}, "task send: limit=8 is above limit=4 of its queue mail, and never reached"),
        (
            {"rate": "1/1s"},
            {"rate": "2/1s"},
            "task send: rate=2/1s is above rate=1/1s of its queue mail, and never reached",
        ),
    ],
)
def test_a_rule_that_another_makes_pointless(queue, task, says):
    assert odd(queue, task) == [says]


@pytest.mark.parametrize(
    ("queue", "task"),
    [
        ({}, {}),
        ({"limit": 4, "key_limit": 4}, {"limit": 4}),
        ({"rate": "60/1m", "key_rate": "2/1s"}, {}),  # more in the long run, fewer at once
        ({"rate": "60/1m", "key_rate": "60/1m"}, {"rate": "60/1m"}),
        ({"key_limit": 9}, {"limit": 9, "rate": "9/1s"}),
    ],
)
def test_rules_that_go_together(queue, task):
    assert odd(queue, task) == []


def test_a_queue_of_nearly_the_same_name():
    app = Oakum("memory://")
    for name in ("mails", "calls", "used"):
        app.queue(name)
    specs = [
        app.task(name=f"t{n}", queue=queue)(lambda: None).spec for n, queue in enumerate(["mail", "used", "default"])
    ]
    assert list(odd_rules(app.desk.declared, specs)) == [
        "queue mails is declared and no task goes there, but to mail, which is not declared: is that one name?"
    ]
