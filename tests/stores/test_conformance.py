"""Every store of Oakum's own passes the suite that defines a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oakum.clock import FakeClock
from oakum.store.base import Store
from oakum.store.memory import MemoryStore
from oakum.store.open import open_store as open_url
from oakum.store.sqlite.stdlib import Stdlib
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance import CHECKS, Check

STORES = ("memory", "sqlite", "sqlite3", "postgres", "pgbouncer", "redis", "valkey")
BELLS = {
    "a_bell_rings_for_room", "what_expires_makes_room_and_rings", "a_ticks_jobs_ring", "a_bell_rings_for_work",
    "a_bell_rings_for_work_that_comes_back", "a_bell_rings_for_results",
}  # fmt: skip
LEFT_OUT = {"pgbouncer": BELLS}  # nobody can LISTEN behind a pooler of transactions: everybody polls, and says so


@pytest.fixture
def open_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    if kind == "memory":
        store = MemoryStore()
        return lambda: store
    if kind == "sqlite":
        return lambda: SqliteStore(str(tmp_path / "work.db"))
    if kind == "sqlite3":
        return lambda: SqliteStore(str(tmp_path / "work.db"), Stdlib())
    url = request.getfixturevalue(f"{kind}_store_url")
    return lambda: open_url(url)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        pytest.param(kind, check, id=f"{kind}-{check}")
        for kind in STORES
        for check in CHECKS
        if check.name not in LEFT_OUT.get(kind, ())
    ],
)
def test_a_store_keeps_its_promise(check: Check, open_store: Callable[[], Store], clock: FakeClock) -> None:
    check(open_store, clock)


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    assert {check.name for check in CHECKS} > BELLS


def test_no_check_is_forgotten() -> None:
    assert len(CHECKS) == len({check.name for check in CHECKS}) > 60
