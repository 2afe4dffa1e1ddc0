"""Workers that are killed and stopped at random moments, and what a history checker says of it afterwards."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

import pytest
from tests.faults.history import faults
from tests.faults.siege import SOURCE, history, siege
from tests.processes.workers import PATIENCE_S, Workshop

from oakum.model.ids import id_text
from oakum.model.job import State


@pytest.fixture
def shop(tmp_path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_jobs_outlive_whatever_is_killed(shop: Workshop) -> None:
    jobs = [shop.tasks.work.job(n) for n in range(10_000)]
    siege(shop, jobs, random.Random(7), between=100)
    runs, kept = history(shop, "work")
    assert any(run.ended_ns is None for run in runs)  # some kill did cut a job short
    assert faults([id_text(job.id) for job in jobs], runs, kept) == []


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_what_a_worker_says_after_its_lease_changes_nothing(shop: Workshop) -> None:
    stopped = shop.worker("--queues", "default")
    job = shop.tasks.linger.enqueue()
    shop.until((shop.path / "runs").exists)
    shop.stop(stopped)  # the supervisor alone: its child goes on, and will have a result to tell
    shop.worker("--queues", "default")
    assert job.wait(2 * PATIENCE_S) == 2  # after the lease of 30 s
    (shop.path / "go").touch()
    ends = shop.until(lambda: [run for run in history(shop, "linger")[0] if run.token == 1 and run.ended_ns])
    assert ends  # the late result is there
    before = shop.app.store.story(job._id)
    stopped.send_signal(signal.SIGCONT)
    shop.until(lambda: "the lease was lost" in shop.said())
    assert shop.app.store.story(job._id) == before
    (row,) = history(shop, "linger")[1]
    assert (row.state, row.token, row.completed) == (State.COMPLETED, 2, 1)
