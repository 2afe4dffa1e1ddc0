"""Events on their way to the listeners: in order, never waited for, and counted when they had to be dropped."""

from __future__ import annotations

import pytest

from oakum.events import ChildEnded, EventsDropped, decode_event
from oakum.run.link.channel import Channel
from oakum.run.worker import herald as module
from oakum.run.worker.herald import Herald


def heard(channel: Channel) -> list[object]:
    events = []
    while packet := channel.receive(wait=False):
        events.append(decode_event(packet))
    return events


def test_without_listeners_nothing_is_kept() -> None:
    herald = Herald()
    assert not herald.listens
    herald.emit(ChildEnded(1, "for nobody"))
    ours, theirs = Channel.pair()
    herald.connect(ours, 1)
    herald.flush()
    assert heard(theirs) == []
    herald.connect(None, 0)
    theirs.close()


def test_a_listener_that_falls_behind_gets_the_oldest_in_order_and_the_number_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 100)
    herald = Herald()
    ours, theirs = Channel.pair()
    herald.connect(ours, 7)
    assert herald.listens
    assert herald.pid == 7
    for number in range(2000):
        herald.emit(ChildEnded(number, "x" * 1000))
    events = []
    for _ in range(10):
        events += heard(theirs)
        herald.flush()
    *told, dropped = events
    assert [event.pid for event in told] == list(range(len(told)))
    assert 100 < len(told) < 2000
    assert dropped == EventsDropped(2000 - len(told))
    herald.connect(None, 0)
    theirs.close()


def test_listeners_whose_process_has_ended_are_let_go() -> None:
    herald = Herald()
    ours, theirs = Channel.pair()
    herald.connect(ours, 7)
    theirs.close()
    herald.emit(ChildEnded(1, "to nobody"))
    assert not herald.listens
    assert herald.pid == 0


def test_who_listened_before_may_hear_what_was_sent_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    herald = Herald()
    lines = [Channel.pair() for _ in range(2)]
    for pid, (ours, _) in enumerate(lines, start=11):
        herald.connect(ours, pid)
    assert herald.pids() == {11, 12}
    monkeypatch.setattr(module, "LAST_WORD_S", 0.0)
    herald.connect(None, 0)
    assert herald.pids() == {0, 11}
    for _, theirs in lines:
        theirs.close()
