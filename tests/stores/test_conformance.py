"""Every store of Oakum's own passes the suite that defines a store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oakum.clock import FakeClock
from oakum.store.base import Store
from oakum.store.memory import MemoryStore
from oakum.store.postgres.store import PostgresStore
from oakum.store.redis.store import RedisStore
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance import CHECKS, Check


@pytest.fixture(params=["memory", "sqlite", "postgres", "redis"])
def open_store(request, tmp_path) -> Callable[[], Store]:
    if request.param == "memory":
        store = MemoryStore()
        return lambda: store
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres_store_url")
        return lambda: PostgresStore(postgres)
    if request.param == "redis":
        url = request.getfixturevalue("redis_store_url")
        return lambda: RedisStore(url)
    return lambda: SqliteStore(str(tmp_path / "work.db"))


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_store_keeps_its_promise(check: Check, open_store: Callable[[], Store], clock: FakeClock) -> None:
    check(open_store, clock)


def test_no_check_is_forgotten() -> None:
    assert len(CHECKS) == len({check.name for check in CHECKS}) > 60
