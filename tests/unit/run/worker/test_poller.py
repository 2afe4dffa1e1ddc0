"""Whoever has something to say is called, unless it was let go a moment before."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from oakum.run.worker.poller import Poller


@pytest.fixture
def poller() -> Iterator[Poller]:
    poller = Poller()
    yield poller
    poller.close()


def test_a_handler_is_called_while_there_is_something_to_read(poller: Poller) -> None:
    read, write = os.pipe()
    heard: list[bytes] = []
    poller.watch(read, lambda: heard.append(os.read(read, 1)))
    poller.poll(0)
    assert heard == []
    os.write(write, b"ab")
    poller.poll(0)
    poller.poll(0)
    poller.poll(0)
    assert heard == [b"a", b"b"]
    os.close(write)
    poller.poll(0)
    assert heard == [b"a", b"b", b""]  # the end is news, too
    poller.unwatch(read)
    poller.unwatch(read)
    poller.poll(0)
    assert len(heard) == 3
    os.close(read)


def test_a_descriptor_that_one_handler_lets_go_is_not_called_in_the_same_round(poller: Poller) -> None:
    pipes = [os.pipe() for _ in range(2)]
    called: list[int] = []

    def handler(own: int, other: int) -> None:
        called.append(own)
        poller.unwatch(other)

    (first, _), (second, _) = pipes
    poller.watch(first, lambda: handler(first, second))
    poller.watch(second, lambda: handler(second, first))
    for _, write in pipes:
        os.write(write, b"x")
    poller.poll(0)
    assert len(called) == 1
    for pair in pipes:
        for fd in pair:
            os.close(fd)
