"""Workers on one PostgreSQL: killed, cut off, started before their server, their server restarted; and every job runs."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.workers import Workshop
from tests.support.postgres import PostgresServer

from oakum.model.job import State

SOURCE = """
app = Oakum({url!r})

@app.task(result_ttl="1h")
def note(number, held=False):
    mark(number)
    while held and not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)

@app.task(result_ttl="1h")
def hang(number):
    mark(number)
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
"""
JOBS = 2000


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o755)
        with PostgresServer(Path(path) / "server") as server:
            yield server


@pytest.fixture
def shop(tmp_path: Path, server: PostgresServer) -> Iterator[Workshop]:
    shop = Workshop(tmp_path, SOURCE.format(url=f"{server.url}?schema={tmp_path.name.lower().replace('-', '_')[:40]}"))
    yield shop
    shop.close()


def enqueue_all(shop: Workshop) -> None:
    """JOBS, the last of which wait to be let go: whatever happens before happens in the midst of them."""
    shop.app.enqueue_many(shop.tasks.note.job(number, number >= JOBS - 10) for number in range(JOBS))


def ended(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.state is State.COMPLETED)


def test_two_workers_drain_a_queue(shop: Workshop) -> None:
    workers = [shop.worker(), shop.worker()]
    shop.app.enqueue_many(shop.tasks.note.job(number) for number in range(JOBS))
    shop.until(lambda: ended(shop) == JOBS)
    assert sorted(map(int, shop.marks())) == list(range(JOBS))
    assert all(worker.poll() is None for worker in workers)


def test_a_killed_workers_jobs_run_elsewhere(shop: Workshop) -> None:
    doomed = shop.worker()
    job = shop.tasks.hang.enqueue(1)
    shop.until(lambda: shop.marks() == ["1"])
    shop.tree(doomed)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    shop.worker()
    shop.until(lambda: shop.marks() == ["1", "1"])
    (shop.path / "go").touch()
    job.wait("60s")


def test_a_server_that_goes_down_is_waited_for(shop: Workshop, server: PostgresServer) -> None:
    workers = [shop.worker(), shop.worker()]
    shop.until(lambda: len(shop.app.store.holders()) == len(workers))
    enqueue_all(shop)
    shop.until(lambda: len(shop.marks()) > JOBS // 10)
    server.stop("immediate")
    server.start()
    (shop.path / "go").touch()
    shop.app.close()
    shop.until(lambda: ended(shop) == JOBS)
    assert {int(each) for each in shop.marks()} == set(range(JOBS))


def test_all_backends_are_terminated_again_and_again(shop: Workshop, server: PostgresServer) -> None:
    workers = [shop.worker(), shop.worker()]
    shop.until(lambda: len(shop.app.store.holders()) == len(workers))
    enqueue_all(shop)
    for share in (10, 5, 3):
        shop.until(lambda share=share: len(shop.marks()) > JOBS // share)
        assert server.cut() >= len(workers)
        shop.app.close()
    (shop.path / "go").touch()
    shop.until(lambda: ended(shop) == JOBS)
    assert {int(each) for each in shop.marks()} == set(range(JOBS))
    assert [worker.poll() for worker in workers] == [None, None]


def test_a_worker_that_starts_before_its_server_waits_for_it(shop: Workshop, server: PostgresServer) -> None:
    shop.app.store.counts()
    server.stop("fast")
    try:
        worker = shop.worker()
        shop.until(lambda: "waits for its store: " in shop.said())
        assert "cannot reach the server" in shop.said()
        stopped = shop.worker()
        shop.until(lambda: shop.said().count("waits for its store: ") == 2)
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(60) == 0
    finally:
        server.start()
    shop.app.close()
    shop.tasks.note.enqueue(1).wait("60s")
    assert worker.poll() is None
