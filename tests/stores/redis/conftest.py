"""A server of each test's own, that it may kill, and what is needed to put jobs into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.redis import RedisServer

from oakum.clock import FakeClock
from oakum.model.job import NewJob
from oakum.store.base import Identity, Instant, Want
from oakum.store.ids import IdSource
from oakum.store.redis.store import RedisStore

IDS = IdSource()


class User:
    """A user of a store, on a clock that stands still."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        self.store, self.clock = RedisStore(url), clock

    @property
    def now(self) -> Instant:
        return Instant.read(self.clock)

    def job(self, payload: bytes = b"p") -> NewJob:
        return NewJob(IDS.new(self.now.wall_ms), "t", payload)

    def insert(self, count: int = 1, payload: bytes = b"p") -> list[NewJob]:
        jobs = [self.job(payload) for _ in range(count)]
        assert self.store.insert(jobs, self.now) == []
        return jobs

    def worker(self) -> int:
        return self.store.enrol(Identity("host", "boot", 1, 2, 3), 30_000, self.now)

    def claim(self, worker: int, limit: int = 100):
        return self.store.claim(Want(worker, ("default",), {"t": 1}, 1000, limit), self.now)


@pytest.fixture(params=["redis", "valkey"])
def server(request, tmp_path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, kind=request.param) as one:
        yield one


@pytest.fixture
def use(clock) -> Iterator[Callable[[str], User]]:
    """Opens users, and closes them all."""
    users: list[User] = []

    def open_(url: str) -> User:
        users.append(User(url, clock))
        return users[-1]

    yield open_
    for each in users:
        each.store.close()


@pytest.fixture
def user(server, use) -> User:
    return use(server.url)
