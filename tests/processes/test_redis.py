"""Workers on a Redis store: two share it, one is killed, the server is killed, or not there yet; every job ends, and once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.processes.workers import Workshop
from tests.support.redis import RedisServer

from oakum.model.job import State

SOURCE = """
app = Oakum({url!r})

@app.task
def once(number):
    mark(number)

@app.task(retries=3)
def slow(number):
    mark(number)
    while number >= 50 and not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
"""


@pytest.fixture
def server(tmp_path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as one:
        yield one


@pytest.fixture
def shop(tmp_path, server) -> Iterator[Workshop]:
    one = Workshop(tmp_path, SOURCE.format(url=server.url))
    yield one
    one.close()


def states(shop: Workshop) -> dict[State, int]:
    found: dict[State, int] = {}
    for count in shop.app.store.counts():
        found[count.state] = found.get(count.state, 0) + count.jobs
    return found


def test_two_workers_drain_a_queue_together(shop):
    workers = [shop.worker(), shop.worker()]
    shop.app.enqueue_many(shop.tasks.once.job(number) for number in range(3000))
    shop.until(lambda: states(shop) == {State.COMPLETED: 3000})
    assert sorted(map(int, shop.marks())) == list(range(3000))
    assert all(worker.poll() is None for worker in workers)


def test_a_killed_workers_jobs_are_done_by_another(shop):
    shop.app.enqueue_many(shop.tasks.slow.job(number) for number in range(60))
    doomed = shop.worker()
    shop.until(lambda: len(shop.marks()) > 3 and states(shop).get(State.RUNNING, 0) > 0)
    shop.tree(doomed)
    doomed.kill()
    shop.worker()
    (shop.path / "go").touch()
    shop.until(lambda: states(shop) == {State.COMPLETED: 60})
    assert set(map(int, shop.marks())) == set(range(60))


def test_a_server_that_is_killed_and_comes_back_has_lost_nothing(shop, server):
    shop.worker()
    shop.app.enqueue_many(shop.tasks.slow.job(number) for number in range(60))
    shop.until(lambda: len(shop.marks()) > 3)
    server.kill()
    server.start()
    (shop.path / "go").touch()
    shop.until(lambda: states(shop) == {State.COMPLETED: 60})
    assert set(map(int, shop.marks())) == set(range(60))


def test_a_worker_that_starts_before_its_server_waits_for_it(shop, server):
    server.kill()
    worker = shop.worker()
    shop.until(lambda: "waits for its store: " in shop.said())
    server.start()
    shop.tasks.once.enqueue(1).wait("60s")
    assert worker.poll() is None


def test_the_command_line_works_on_it(shop, server):
    def oakum(*words: str) -> str:
        command = [sys.executable, "-m", "oakum", *words]
        return subprocess.run(command, cwd=shop.path, check=True, capture_output=True, text=True).stdout

    oakum("enqueue", "shop:app", "once", "[7]")
    shop.worker()
    shop.until(lambda: states(shop) == {State.COMPLETED: 1})
    assert "appendfsync=always" in oakum("status", "--store", server.url)
    assert "once" in oakum("jobs", "--store", server.url)
