"""A store that is used is moved to a server, with and without a mover that is killed; then a history checker looks at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.faults.history import faults
from tests.faults.siege import SOURCE, history
from tests.processes.workers import PATIENCE_S, ROOT, Workshop
from tests.support.postgres import new_schema
from tests.support.redis import forget_redis

from oakum.model.job import State

PUBLISHER = """
import sys, time
from oakum.errors import StoreMoved
from oakum.model.ids import id_text
from oakum.model.job import State
from shop import app, work
for first in range(0, 1_000_000, 25):  # many in one commit: faster than their worker, however slow the disk is
    jobs = [work.job(number) for number in range(first, first + 25)]
    try:
        waiting = sum(count.jobs for count in app.store.counts() if count.state is State.AVAILABLE)
        time.sleep(0.01 if waiting < 3000 else 0.5)  # and not so many that the test is long, however slow the worker is
        acknowledged = app.enqueue_many(jobs)
    except StoreMoved as moved:
        acknowledged = moved.acknowledged
        print(moved, file=sys.stderr)
    with open("acknowledged", "a") as file:
        print(*(id_text(job.id) for job in jobs[:acknowledged]), file=file)
    if acknowledged < len(jobs):
        break
"""
MOVER = """
import os, signal, sys
from oakum.clock import SystemClock
from oakum.inspector.move import open_move
source, target, what, done = sys.argv[1:]

def tell(step):
    if step.what == what and step.done >= int(done):
        os.kill(os.getpid(), signal.SIGKILL)

with open_move(source, target, SystemClock(), tell) as move:
    move.run()
"""
KILLS = (
    ("ended jobs", 0),
    ("ended jobs", 500),
    ("jobs that run are settled", 0),
    ("jobs that wait", 0),
    ("jobs that wait", 500),
    ("jobs that ended meanwhile", 500),
)


@pytest.fixture
def shop(tmp_path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


@pytest.fixture(params=["postgres", "redis"])
def target(request) -> Iterator[str]:
    if request.param == "postgres":
        with new_schema(request.getfixturevalue("postgres_url")) as url:
            yield url
    else:
        server, prefix = request.getfixturevalue("redis_url"), f"test-move-{os.getpid()}"
        yield f"{server}?prefix={prefix}"
        forget_redis(server, prefix)


@pytest.fixture
def publisher(shop) -> Iterator[subprocess.Popen[str]]:
    """Somebody who enqueues as fast as he can, until the store has moved."""
    with start(shop, "-c", PUBLISHER) as process:
        yield process
        process.kill()


def start(shop: Workshop, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{shop.path}"}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=shop.path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def states(shop: Workshop) -> dict[str, int]:
    found: dict[str, int] = {}
    for count in shop.app.store.counts():
        found[count.state.label] = found.get(count.state.label, 0) + count.jobs
    return found


def go_on(shop: Workshop, target: str) -> None:
    """The application is told of the store's new address."""
    shop.app.close()
    shop.rewrite(f"sqlite:///{shop.path}/work.db", target)
    shop.load()


def begin(shop: Workshop) -> subprocess.Popen[bytes]:
    """A worker that can't keep up with the publisher, at work, and a job that it will not end soon."""
    worker = shop.worker("--queues", "default")
    shop.tasks.linger.using(priority=9).enqueue()
    shop.until(lambda: states(shop).get("completed", 0) > 700 and states(shop).get("available", 0) > 1200)
    assert states(shop)["running"] > 0
    return worker


def end(shop: Workshop, target: str, publisher: subprocess.Popen[str], worker: subprocess.Popen[bytes]) -> None:
    """Publisher and worker have ended, by what they were told; at the new address all goes on, and the history is right."""
    _, refused = publisher.communicate(timeout=PATIENCE_S)
    assert publisher.returncode == 0
    assert "is being moved to" in refused or "has moved to" in refused
    assert worker.wait(PATIENCE_S) == 3
    assert "this store has moved to" in shop.said()
    assert shop.worker("--queues", "default").wait(PATIENCE_S) == 3  # one that is started again where it was
    go_on(shop, target)
    more = [shop.tasks.work.enqueue(number) for number in range(20)]
    shop.worker("--queues", "default,after")
    shop.until(lambda: states(shop).keys() == {"completed"})
    jobs = [*(shop.path / "acknowledged").read_text().split(), *(job.id for job in more)]
    runs, kept = history(shop, "work")
    (lingered,) = history(shop, "linger")[1]
    assert (lingered.state, lingered.token, lingered.completed) == (State.COMPLETED, 1, 1)
    assert len(jobs) > 1000
    assert faults(jobs, runs, kept) == []
    assert all(row.token == 1 for row in kept)  # a move takes nobody's job away from him


@pytest.mark.slow
def test_a_store_that_is_used_is_moved_and_loses_nothing(shop: Workshop, target: str, publisher) -> None:
    worker = begin(shop)
    mover = start(shop, "-m", "oakum", "store", "move", f"sqlite:///{shop.path}/work.db", target)
    publisher.wait(PATIENCE_S)  # the store is shut, and the job that lingers holds the mover up
    assert mover.poll() is None
    (shop.path / "go").touch()
    said, told = mover.communicate(timeout=PATIENCE_S)
    assert mover.returncode == 0, told
    assert said.startswith("moved ")
    end(shop, target, publisher, worker)


@pytest.mark.slow
def test_a_mover_that_is_killed_again_and_again_ends_right(shop: Workshop, target: str, publisher) -> None:
    worker = begin(shop)
    source = f"sqlite:///{shop.path}/work.db"
    for what, done in KILLS:
        mover = start(shop, "-c", MOVER, source, target, what, str(done))
        _, told = mover.communicate(timeout=PATIENCE_S)
        assert mover.returncode == -signal.SIGKILL, (what, told)
        if what.startswith("jobs that run"):
            (shop.path / "go").touch()
    mover = start(shop, "-m", "oakum", "store", "move", source, target)
    _, told = mover.communicate(timeout=PATIENCE_S)
    assert mover.returncode == 0, told
    end(shop, target, publisher, worker)
