"""Jobs that are the only ones of their kind: which are the same, and what a second call does."""

from __future__ import annotations

import pytest

from oakum import Debounce, DuplicateJob, Oakum, Unique, UsageError
from oakum.model.job import State


@pytest.fixture
def app():
    return Oakum("memory://")


@pytest.fixture
def ran():
    return []


@pytest.fixture
def sync(app, ran):
    @app.task(name="sync")
    def sync(user_id: int, note: str = "none", *, options: dict | None = None) -> None:
        ran.append((user_id, note))

    return sync


def test_calls_are_the_same_however_they_are_written(app, sync):
    using = sync.using(unique="args")
    with app.testing():
        first = using.enqueue(1)
        assert using.enqueue(user_id=1, note="none") == first
        assert using.enqueue(1, options=None) == first
        assert using.enqueue(2) != first
        nested = using.enqueue(1, options={"a": 1, "b": 2})
        assert nested != first
        assert using.enqueue(1, options={"b": 2, "a": 1}) == nested


def test_chosen_arguments(app, sync):
    using = sync.using(unique=Unique(args=("user_id",)))
    with app.testing():
        first = using.enqueue(1, "a")
        assert using.enqueue(note="b", user_id=1) == first
        assert using.enqueue(2, "a") != first


def test_by_task_and_by_key(app, sync):
    with app.testing():
        first = sync.using(unique="task").enqueue(1)
        assert sync.using(unique="task").enqueue(2) == first
        keyed = sync.using(unique=Unique(key="nightly")).enqueue(1)
        assert sync.using(unique=Unique(key="nightly")).enqueue(2) == keyed != first
        other = app.task(name="other")(lambda: None)
        assert other.using(unique=Unique(key="nightly")).enqueue() != keyed, "each task has keys of its own"


def test_states(app, sync):
    waiting = sync.using(unique=Unique(states="waiting"))
    any_ = sync.using(unique=Unique(key="k", states="any"))
    ended = sync.using(unique=Unique(key="e", states=["completed"]))
    with app.testing() as kit:
        first = waiting.enqueue(1)
        kit.drain()
        assert waiting.enqueue(1) != first
        first = any_.enqueue(1)
        kit.drain()
        assert any_.enqueue(1) == first
        before = ended.enqueue(1)
        second = ended.enqueue(1)
        assert second != before
        kit.drain()
        assert ended.enqueue(1) == second


def test_period(app, sync):
    using = sync.using(unique=Unique(states="any", period="1h"))
    with app.testing() as kit:
        first = using.enqueue(1)
        kit.advance("59m")
        assert using.enqueue(1) == first
        kit.advance("1m")
        assert using.enqueue(1) != first


def test_replace_and_reject(app, sync, ran):
    replace = sync.using(unique=Unique(args=("user_id",), on_conflict="replace"))
    reject = sync.using(unique=Unique(args=("user_id",), on_conflict="reject"))
    with app.testing() as kit:
        first = replace.enqueue(1, "old")
        assert replace.enqueue(1, "new") == first
        with pytest.raises(DuplicateJob) as caught:
            reject.enqueue(1, "newest")
        assert caught.value.job_id == first.id
        kit.drain()
        assert reject.enqueue(1).state == "available"
    assert ran == [(1, "new")]


def test_a_call_while_it_runs_makes_one_job_more(app, ran):
    @app.task(name="again")
    def again(n: int) -> None:
        ran.append(n)
        if n == 0:
            using = again.using(unique=Unique(args=(), on_conflict="replace"))
            assert using.enqueue(1) == using.enqueue(2)

    with app.testing() as kit:
        again.using(unique=Unique(args=(), on_conflict="replace")).enqueue(0)
        kit.drain()
    assert ran == [0, 2]


def test_debounce(app, sync, ran):
    using = sync.using(unique=Unique(args=("user_id",)), debounce="5s")
    with app.testing() as kit:
        first = using.enqueue(1, "a")
        kit.advance("3s")
        assert using.enqueue(1, "b") == first
        kit.advance("4s")
        assert ran == []
        kit.advance("1s")
        assert ran == [(1, "b")]
        assert using.enqueue(1, "c") != first


def test_debounce_ends_at_last(app, sync, ran):
    using = sync.using(unique="task", debounce=Debounce("5s", at_most="8s"))
    with app.testing() as kit:
        for n in range(3):
            using.enqueue(n)
            kit.advance("4s")
    assert ran == [(1, "none")], "eight seconds after the first call, although there were more"


def test_throttle(app, sync, ran):
    using = sync.using(unique="task", throttle="1m")
    with app.testing() as kit:
        first = using.enqueue(1)
        kit.drain()
        assert using.enqueue(2) == first
        kit.advance("1m")
        assert using.enqueue(3) != first
        kit.drain()
        assert [view.state for view in kit.jobs()] == [State.COMPLETED] * 2
    assert ran == [(1, "none"), (3, "none")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"unique": "everything"}, "unique: 'everything' is none"),
        ({"unique": Unique(args=("userid",))}, "has no argument 'userid'"),
        ({"unique": Unique(args="user_id")}, r"args='user_id' is one text; write a list of names"),
        ({"unique": Unique(args=(), key="k")}, "args and key both say"),
        ({"unique": Unique(on_conflict="fight")}, "on_conflict='fight' is none; there are keep, replace, reject"),
        ({"unique": Unique(states="done")}, "states='done' is none; there are waiting, unfinished, any, available"),
        ({"unique": Unique(states=())}, "leaves no job"),
        ({"unique": Unique(period="-1s")}, "unique: period: '-1s' is not a duration"),
        ({"unique": Unique(states="any", period="2d")}, "longer than its ended jobs are kept, 1d 0h"),
        ({"throttle": "2d"}, "give it a longer result_ttl"),
        ({"throttle": "2h", "result_ttl": "1h"}, "longer than its ended jobs are kept"),
        ({"throttle": 0}, "throttle: 0 is not a duration"),
        ({"debounce": "soon"}, "debounce: 'soon' is not a duration"),
        ({"debounce": Debounce("5s", at_most="1s")}, "at_most='1s' is shorter than its delay"),
        ({"debounce": "1s", "throttle": "1s"}, "give one of them"),
        ({"debounce": "1s", "delay": "1s"}, "debounce says when"),
        ({"debounce": "1s", "unique": Unique(on_conflict="reject")}, "unique says only which jobs are the same"),
    ],
)
def test_what_makes_no_sense_is_told_at_once(sync, options, says):
    with pytest.raises(UsageError, match=says) as caught:
        sync.using(**options)
    assert "\n" not in str(caught.value)
