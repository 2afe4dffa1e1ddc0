"""Rules as people write them: read, refused with one line, written back."""

from __future__ import annotations

import pytest

from oakum import Oakum, Rate, UsageError
from oakum.model.bounds import Rules
from oakum.run.rules import read_queue, read_rate, read_rules, too_low, write_rate


@pytest.fixture
def app():
    return Oakum("memory://")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/1m", Rate(100, 60_000)),
        ("10/s", Rate(10, 1000)),
        (" 5 / 250ms", Rate(5, 250)),
        ("1/1h30m", Rate(1, 5_400_000)),
        (Rate(3, 7), Rate(3, 7)),
        (None, None),
    ],
)
def test_rates_are_read(text, rate):
    assert read_rate(text, "rate") == rate


@pytest.mark.parametrize(
    "text", ["-5/1s", "0/1s", "5/0s", "5/1y", "5", "", "1.5/s", "5/-1s", "2000000/s", 5, True, Rate(0, 1), Rate(1, 0), Rate(-1, 1000)]
)  # fmt: skip
def test_what_is_no_rate_is_told_in_one_line(text):
    with pytest.raises(UsageError, match=r"^queue mail: rate: .* is not a rate") as caught:
        read_rules({"rate": text}, "queue mail")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [Rate(100, 60_000), Rate(7, 1500), Rate(1, 86_400_000), Rate(2, 1)])
def test_a_rate_is_written_as_it_is_read(rate):
    assert read_rate(write_rate(rate), "rate") == rate


def test_a_queue_is_read():
    rules, block_s = read_queue(
        "mail",
        {"max_jobs": 10_000, "max_bytes": "64MiB", "limit": 8, "rate": "10/s", "key_limit": 2, "block_for": "2s"},
    )
    assert rules == Rules(10_000, 64 << 20, "block", 8, Rate(10, 1000), 2)
    assert block_s == 2.0
    assert read_queue("mail", {"on_full": "reject"}) == (Rules(on_full="reject"), None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_jobs": 0}, "max_jobs: 0 is not a count of at least 1"),
        ({"max_jobs": -1}, "max_jobs: -1 is not a count"),
        ({"max_jobs": "many"}, "max_jobs: 'many' is not a count"),
        ({"limit": True}, "limit: True is not a count"),
        ({"key_limit": None}, "key_limit: None is not a count"),
        ({"max_bytes": "64 apples"}, "max_bytes: '64 apples' is not a size"),
        ({"max_bytes": -1}, "max_bytes: -1 is not a size"),
        ({"on_full": "explode"}, "on_full: 'explode' is none; there are block, reject, drop_oldest, drop_newest"),
        ({"on_full": "reject", "block_for": "1s"}, "nobody waits with on_full='reject'"),
        ({"block_for": "soon"}, "block_for: 'soon' is not a duration"),
        ({"maxjobs": 3}, "there is no option 'maxjobs'; there are"),
    ],
)
def test_what_is_no_rule_is_told_in_one_line(options, says):
    with pytest.raises(UsageError, match=rf"^queue mail: .*{says.split(';')[0]}") as caught:
        read_queue("mail", options)
    assert says in str(caught.value)


def test_rules_change_only_where_something_is_said():
    before = Rules(max_jobs=10, rate=Rate(1, 1000))
    assert read_rules({"max_jobs": None, "limit": 3}, "queue mail", before) == Rules(limit=3, rate=Rate(1, 1000))


def test_a_bound_below_what_is_there_is_told():
    assert too_low("queue mail", Rules(max_jobs=10, max_bytes=100), 10, 100) == ""
    assert too_low("queue mail", Rules(max_jobs=10), 3000, 0) == (
        "queue mail: max_jobs=10 is below the 3,000 jobs that it holds already: it takes no more until it holds less"
    )
    assert too_low("queue mail", Rules(max_jobs=1, on_full="drop_oldest"), 2, 0).endswith(
        "dropped when the next one comes"
    )
    assert "max_bytes=10 B is below the 100 B" in too_low("queue mail", Rules(max_bytes=10), 1, 100)


def test_tasks_are_limited_and_name_their_queue(app):
    mail = app.queue("mail", max_jobs=10)

    @app.task(queue=mail, limit=3, rate="5/m")
    def send() -> None: ...

    assert send.spec.queue == "mail"
    assert app.desk.declared["task"] == {send.name: Rules(limit=3, rate=Rate(5, 60_000))}
    assert app.desk.declared["queue"] == {"mail": Rules(max_jobs=10)}
    assert send.using(queue=mail, key="tenant").job().queue == "mail"
    assert send.using(key="tenant").job().key == "tenant"
    assert Oakum("memory://", max_store="1GiB").desk.declared == {"store": {"": Rules(max_bytes=1 << 30)}}
    for wrong in ({"limit": 0}, {"rate": "x"}):
        with pytest.raises(UsageError, match=r"task send: (limit|rate): "):
            app.task(name="send", **wrong)(lambda: None)
    with pytest.raises(UsageError, match="queue mail: declared twice"):
        app.queue("mail")
    with pytest.raises(UsageError, match="key: '' is not a name"):
        send.using(key="")
