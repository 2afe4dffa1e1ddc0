"""Connections that are kept for the next call: which of them are handed out again, and which are closed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from oakum.store.redis.address import parse
from oakum.store.redis.lines import Line, Lines, socket_of


@pytest.fixture
def lines(redis_url: str) -> Iterator[Lines]:
    lines = Lines(parse(redis_url).connect)
    yield lines
    lines.close()


def ask(line: Line, *command: object) -> object:
    line.send_command(*command)
    return line.read_response()


def test_a_line_is_used_again(lines: Lines) -> None:
    first = lines.take()
    second = lines.take()
    assert first is not second
    lines.give_back(first)
    assert lines.take() is first
    assert ask(first, "PING") == b"PONG"
    lines.give_back(first)
    lines.give_back(second)


def test_one_that_the_server_has_closed_is_not_handed_out(lines: Lines) -> None:
    dead, other = lines.take(), lines.take()
    number = ask(dead, "CLIENT", "ID")
    lines.give_back(dead)
    assert ask(other, "CLIENT", "KILL", "ID", number) == 1
    assert socket_of(dead).recv(1, 2) == b""  # MSG_PEEK: the end of it has arrived
    fresh = lines.take()
    assert fresh is not dead
    assert ask(fresh, "PING") == b"PONG"
    lines.give_back(fresh)
    lines.give_back(other)


def test_one_whose_answer_nobody_read_is_not_handed_out(lines: Lines) -> None:
    owed = lines.take()
    owed.send_command("PING")
    assert socket_of(owed).recv(1, 2)  # it is there
    lines.give_back(owed)
    fresh = lines.take()
    assert fresh is not owed
    assert socket_of(owed) is None
    lines.give_back(fresh)


def test_a_forked_child_makes_its_own(lines: Lines) -> None:
    kept = lines.take()
    lines.give_back(kept)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            own = lines.take()
            status = 0 if own is not kept and ask(own, "PING") == b"PONG" else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert lines.take() is kept
    assert ask(kept, "PING") == b"PONG"
    lines.give_back(kept)


def test_after_the_end_those_that_come_back_are_closed(lines: Lines) -> None:
    idle, used = lines.take(), lines.take()
    lines.give_back(idle)
    lines.close()
    lines.give_back(used)
    assert socket_of(idle) is None
    assert socket_of(used) is None
