"""Short jobs behind a slow one of their own task: they do not wait for it, here or at another worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from oakum.model.job import State
from tests.processes.workers import Workshop

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


def test_what_waits_behind_slow_jobs_goes_back_to_the_store(shop: Workshop) -> None:
    turn, app = shop.tasks.turn, shop.app
    worker = shop.worker()
    app.enqueue_many(turn.job("") for _ in range(LEARNED))
    shop.until(lambda: _count(shop, State.COMPLETED) == LEARNED)
    app.enqueue_many([turn.job("slow"), turn.job("slow"), *(turn.job("") for _ in range(LEARNED))])
    shop.until(lambda: shop.marks() == ["slow", "slow"])
    shop.until(lambda: (_count(shop, State.RUNNING), _count(shop, State.AVAILABLE)) == (2, LEARNED))
    assert worker.poll() is None
    shop.worker()
    shop.until(lambda: _count(shop, State.COMPLETED) == 2 * LEARNED)
    assert _count(shop, State.RUNNING) == 2
    (shop.path / "go on").touch()
    shop.until(lambda: _count(shop, State.COMPLETED) == 2 * LEARNED + 2)
