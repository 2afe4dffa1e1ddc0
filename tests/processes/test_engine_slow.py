"""Short jobs behind a slow one of their own task: they do not wait for it, here or at another worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.processes.workers import Workshop

from oakum.model.job import JobQuery, JobView, State

SHOP = """
@app.task
def turn(name: str) -> None:
    if name:
        mark(name)
        while not os.path.exists(os.path.join(HERE, "go on")):
            time.sleep(0.01)
"""
LEARNED = 64  # starts after which a child is given many at once


@pytest.fixture
def shop(tmp_path: Path):
    shop = Workshop(tmp_path, SHOP)
    yield shop
    (tmp_path / "go on").touch()
    shop.close()


def _count(shop: Workshop, state: State) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.state is state)


def _waiting(shop: Workshop) -> Sequence[JobView]:
    return shop.app.store.jobs(JobQuery(states=(State.AVAILABLE,), limit=2 * LEARNED)).jobs


def test_what_waits_behind_slow_jobs_goes_back_to_the_store(shop: Workshop) -> None:
    turn, app = shop.tasks.turn, shop.app
    worker = shop.worker()
    app.enqueue_many(turn.job("") for _ in range(LEARNED))
    shop.until(lambda: _count(shop, State.COMPLETED) == LEARNED)
    app.enqueue_many([turn.job("slow"), turn.job("slow")])
    shop.until(lambda: shop.marks() == ["slow", "slow"])
    app.enqueue_many(turn.job("") for _ in range(LEARNED))
    shop.until(lambda: [job.token for job in _waiting(shop)] == [1] * LEARNED)  # claimed, and given back
    assert worker.poll() is None
    shop.worker()
    shop.until(lambda: _count(shop, State.COMPLETED) == 2 * LEARNED)
    assert _count(shop, State.RUNNING) == 2
    (shop.path / "go on").touch()
    shop.until(lambda: _count(shop, State.COMPLETED) == 2 * LEARNED + 2)
