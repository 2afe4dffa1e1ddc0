"""A job that a worker was given begins at once, but not when its lease may have run out since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oakum.clock import FakeClock
from oakum.model.job import DEFAULT_QUEUE, NewJob
from oakum.run.worker.crew import Crew
from oakum.run.worker.fleet import Fleet
from oakum.run.worker.herald import Herald
from oakum.run.worker.ledger import Ledger
from oakum.run.worker.poller import Poller
from oakum.run.worker.supervisor import LEASE_MS, Supervisor
from oakum.store.base import Want
from oakum.store.ids import IdSource
from oakum.store.sqlite.store import SqliteStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def poller() -> Iterator[Poller]:
    poller = Poller()
    yield poller
    poller.close()


@pytest.fixture
def supervisor(tmp_path: Path, clock: FakeClock, poller: Poller) -> Iterator[Supervisor]:
    store = SqliteStore(str(tmp_path / "work.db"))
    crew = Crew(Fleet(2**30, 1), poller, Herald(), None)
    supervisor = Supervisor(store, clock, crew, poller, Ledger(1, False), (DEFAULT_QUEUE,), None)
    supervisor.open()
    yield supervisor
    supervisor.pool.clear()
    supervisor.close()


def give(supervisor: Supervisor, tmp_path: Path) -> None:
    """Somebody enqueues a job that this worker offers to take."""
    now = supervisor.now()
    want = Want(supervisor.holder, (DEFAULT_QUEUE,), {"t": 1}, 100, 10, turn=supervisor._offers.turn)
    supervisor._offers.leave(want, now)
    user = SqliteStore(str(tmp_path / "work.db"))
    user.insert([NewJob(IdSource().new(now.wall_ms), "t", b"")], now)
    user.close()


def test_what_was_given_is_taken_by_word(supervisor, poller, tmp_path):
    give(supervisor, tmp_path)
    poller.poll(30)
    assert len(supervisor.pool) == 1


def test_past_its_lease_a_worker_believes_no_word(supervisor, poller, clock, tmp_path):
    give(supervisor, tmp_path)
    clock.advance(LEASE_MS / 1000)
    poller.poll(30)
    assert len(supervisor.pool) == 0
    assert len(supervisor.store.held(supervisor.holder, 9)) == 1, "nothing was given: this test shows nothing"


def test_who_has_renewed_believes_it_again(supervisor, poller, clock, tmp_path):
    clock.advance(LEASE_MS / 1000)
    assert supervisor.renew(b"")
    give(supervisor, tmp_path)
    poller.poll(30)
    assert len(supervisor.pool) == 1


def test_what_is_withdrawn_begins(supervisor, tmp_path):
    give(supervisor, tmp_path)
    supervisor.claiming = False
    supervisor.turn(0)
    assert len(supervisor.pool) == 1
