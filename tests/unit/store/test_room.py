"""The room of a store on a server: when it is looked at, and what is refused."""

from __future__ import annotations

import pytest

from oakum.errors import StoreFull
from oakum.model.job import NewJob
from oakum.store.base import Instant, Space
from oakum.store.room import JOB_BYTES, StoreRoom


class Server:
    """Counts how often it is asked."""

    def __init__(self, used: int, limit: int | None) -> None:
        self.space, self.asked = Space(used, limit), 0

    def __call__(self) -> Space:
        self.asked += 1
        return self.space


def jobs(size: int) -> list[NewJob]:
    return [NewJob(b"", "t", b"x" * (size - JOB_BYTES))]


def at(second: float) -> Instant:
    return Instant(0, int(second * 1000))


def test_it_is_looked_at_once_a_second():
    server = Server(0, 10_000)
    room = StoreRoom(server, "store")
    for second in (5.0, 5.5, 5.999, 6.0, 6.999):
        room.check(jobs(1000), at(second))
    assert server.asked == 2


def test_it_is_looked_at_again_when_what_came_in_may_fill_it():
    server = Server(0, 10_000)
    room = StoreRoom(server, "store")
    for _ in range(10):
        room.check(jobs(1000), at(0))
    assert server.asked == 1
    server.space = Space(10_000, 10_000)
    for asked in (2, 3):  # and each time, while it is full
        with pytest.raises(
            StoreFull, match=r"store: the store holds 9\.77 KiB of the 9\.77 KiB it may; raise max_store"
        ):
            room.check(jobs(1000), at(0))
        assert server.asked == asked
    server.space = Space(9_999, 10_000)
    room.check(jobs(1000), at(0))


def test_without_a_limit_there_is_room():
    room = StoreRoom(Server(1 << 50, None), "store")
    room.check(jobs(1 << 20), at(0))


def test_a_host_that_was_booted_anew_has_an_earlier_clock():
    server = Server(0, 10_000)
    room = StoreRoom(server, "store")
    room.check(jobs(1000), at(100))
    room.check(jobs(1000), at(1))
    assert server.asked == 2


def test_whoever_looks_ahead_finds_it_looked_at():
    server = Server(0, 10_000)
    room = StoreRoom(server, "store")
    for second, asked in ((5.0, 1), (5.3, 1), (5.6, 2), (6.5, 3), (6.9, 3), (7.4, 4)):
        room.check(jobs(100), at(second))
        room.look_ahead(at(second))
        assert server.asked == asked
    server.space = Space(10_000, 10_000)
    room.look_ahead(at(8.3))  # what it finds is for the next one
    with pytest.raises(StoreFull):
        room.check(jobs(100), at(8.3))
