"""Jobs that are given to a worker with nothing to do: with the word of it, without it, and with one that comes too late."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop
from tests.support.offers import Words, offers, standing

from oakum.model.ids import id_text
from oakum.model.job import JobQuery, State
from oakum.model.report import decode_report
from oakum.store.sqlite.offers import WORD_BYTES

SOURCE = """
@app.task
def work(name: str) -> int:
    mark(name)
    return current().token

@app.task
def size(text: str) -> int:
    return len(text)

@app.task
def hold() -> None:
    mark("hold")
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Words:
    return Words(monkeypatch)


def test_an_idle_worker_is_given_one_job_after_the_other(shop: Workshop, words: Words) -> None:
    shop.worker()
    jobs = []
    for name in ("one", "two", "three"):
        standing(shop)
        jobs.append(shop.tasks.work.enqueue(name))
        assert jobs[-1].wait(PATIENCE_S) == 1
    assert words.given == [job._id for job in jobs]
    assert [shop.app.store.story(job._id).starts for job in jobs] == [()] * 3  # but for the one that ended it well
    assert shop.marks() == ["one", "two", "three"]


def test_a_job_whose_publisher_died_before_the_word_is_found(shop: Workshop) -> None:
    shop.worker()
    (offer,) = standing(shop)
    publisher = """
import os, shop
from oakum.store.sqlite.bell import BellTower
BellTower.tell = lambda *_: os._exit(9)
shop.work.enqueue("orphan")
"""
    assert subprocess.run([sys.executable, "-c", publisher], cwd=shop.path, check=False).returncode == 9  # it was given
    (job,) = shop.app.store.jobs(JobQuery(task="shop.work")).jobs
    assert shop.app.job(id_text(job.id)).wait(PATIENCE_S) == 1
    assert standing(shop)[0].turn > offer.turn
    assert shop.marks() == ["orphan"]


def test_a_word_that_comes_after_its_job_was_found_and_done_runs_nothing(shop: Workshop, words: Words) -> None:
    shop.worker()
    (offer,) = standing(shop)
    words.first = lambda: shop.until(lambda: shop.marks() == ["found"]) and standing(shop)
    found = shop.tasks.work.enqueue("found")  # returns after the word, and that waits for the next offer
    assert [word.turn for word in words.said if word is not None] == [offer.turn]
    assert found.state == "completed"
    words.first = lambda: None
    assert standing(shop)[0].turn > offer.turn
    assert shop.tasks.work.enqueue("next").wait(PATIENCE_S) == 1  # its word comes behind the late one
    assert words.given[0] == found._id
    assert len(words.said) == 2
    assert shop.marks() == ["found", "next"]


def test_arguments_that_no_word_can_carry_are_given_too(shop: Workshop, words: Words) -> None:
    shop.worker()
    standing(shop)
    job = shop.tasks.size.enqueue("x" * 2 * WORD_BYTES)
    assert job.wait(PATIENCE_S) == 2 * WORD_BYTES
    assert words.said == [None]
    assert shop.app.store.story(job._id).job.token == 1


def test_a_job_that_is_cancelled_before_its_worker_hears_of_it_ends_so(shop: Workshop, words: Words) -> None:
    shop.worker()
    standing(shop)
    job = shop.tasks.hold.job()
    states = []
    words.first = lambda: states.append(shop.app.store.cancel([job.id], shop.app.desk.now())[job.id])
    shop.app.enqueue_many([job])
    assert states == [State.RUNNING]
    words.first = lambda: None
    shop.until(lambda: shop.app.store.outcome(job.id)[0] is State.CANCELLED)
    standing(shop)
    assert shop.tasks.work.enqueue("next").wait(PATIENCE_S) == 1
    assert len(words.given) == 2
    assert shop.marks() in (["next"], ["hold", "next"])  # it may have begun, once


@pytest.mark.slow
def test_a_quiet_worker_offers_nothing_until_it_claims_again(shop: Workshop, words: Words) -> None:
    worker = shop.worker()
    standing(shop)
    worker.send_signal(signal.SIGUSR1)
    shop.until(lambda: reports(shop)[0].state == "quiet")
    assert offers(shop) == []
    job = shop.tasks.work.enqueue("waits")
    enqueued_ms = time.time() * 1000
    shop.until(lambda: reports(shop)[0].at_ms > enqueued_ms)  # it has made a round since
    assert (job.state, words.said) == ("available", [])
    worker.send_signal(signal.SIGUSR2)
    assert job.wait(PATIENCE_S) == 1
    standing(shop)


def test_a_worker_that_stops_offers_nothing_while_a_job_still_runs(shop: Workshop, words: Words) -> None:
    worker = shop.worker()
    standing(shop)
    hold = shop.tasks.hold.enqueue()
    shop.until(lambda: shop.marks() == ["hold"])
    standing(shop)  # of its other child
    worker.terminate()
    shop.until(lambda: reports(shop)[0].state == "stopping")
    assert offers(shop) == []
    late = shop.tasks.work.enqueue("late")
    (shop.path / "go").touch()
    assert worker.wait(PATIENCE_S) == 0
    assert (hold.state, late.state, offers(shop)) == ("completed", "available", [])
    assert words.given == [hold._id]


def reports(shop: Workshop):
    """What each worker said of itself last."""
    return [decode_report(holder.report) for holder in shop.app.store.holders() if holder.report]
