"""Workers that are killed and stopped while they offer to take a job, and are given one: it is done all the same, and once."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults import siege
from tests.faults.history import faults
from tests.processes.workers import PATIENCE_S, Workshop
from tests.support.odd_worker import MovedClock
from tests.support.offers import Offer, Words, offers, standing

from oakum.model.ids import id_text
from oakum.model.job import State
from oakum.model.task import TaskSpec
from oakum.run.handle import Job
from oakum.run.worker import recovery
from oakum.run.worker.supervisor import LEASE_MS
from oakum.store.moving import Notice
from oakum.store.sqlite.offers import WORD_BYTES

SOURCE = """
@app.task
def once(name: str) -> int:
    mark(name)
    return current().token
"""
ODD = ("tests.support.odd_worker",)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, siege.SOURCE + SOURCE)
    yield workshop
    workshop.close()


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Words:
    return Words(monkeypatch)


def given_to(offer: Offer, shop: Workshop, words: Words) -> Job[int]:
    """A new job, which is given under that offer, as the file says before there is word of it."""
    holders: list[int] = []
    words.first = lambda: holders.append(next(each.holder for each in offers(shop) if each.job))
    job = shop.tasks.once.enqueue("job")
    assert (holders, words.given) == ([offer.holder], [job._id])
    return job


def test_what_is_given_to_the_dead_is_done_by_one_that_starts(shop: Workshop, words: Words) -> None:
    dead = shop.worker()
    (offer,) = standing(shop)
    dead.kill()
    dead.wait()
    job = given_to(offer, shop, words)
    shop.worker()
    assert job.wait(PATIENCE_S) == 2
    standing(shop)  # of the dead one's nothing is left
    assert shop.marks() == ["job"]


def test_what_is_given_to_the_dead_is_done_by_one_that_was_there(shop: Workshop, words: Words) -> None:
    heir = shop.worker()
    standing(shop)
    shop.stop(heir)  # so that it can't see the other one die
    dead = shop.worker()
    _, preferred = standing(shop, 2)  # who offered last
    dead.kill()
    dead.wait()
    job = given_to(preferred, shop, words)
    heir.send_signal(signal.SIGCONT)
    assert job.wait(PATIENCE_S) == 2
    standing(shop)
    assert shop.marks() == ["job"]


@pytest.mark.slow
def test_a_word_that_is_read_after_the_lease_runs_nothing(shop: Workshop, words: Words) -> None:
    off = shop.path / "off"
    shop.app.desk.clock = MovedClock(str(off))
    stopped = shop.worker("--clock", str(off), program=ODD)
    (offer,) = standing(shop)
    shop.stop(stopped)
    job = shop.tasks.once.enqueue("job")
    assert [(each.holder, each.turn) for each in offers(shop) if each.job] == [(offer.holder, offer.turn)]
    assert words.given == [job._id]
    other = shop.worker("--clock", str(off), program=ODD)
    standing(shop)  # the other one's: it has seen the lease
    off.write_text("0 20")  # seconds, more than a lease
    assert job.wait(PATIENCE_S) == 2
    before = shop.app.store.story(job._id)
    stopped.send_signal(signal.SIGCONT)
    shop.until(lambda: "the lease was lost" in shop.said())
    other.terminate()
    assert other.wait(PATIENCE_S) == 0
    standing(shop)
    assert shop.tasks.once.enqueue("next").wait(PATIENCE_S) == 1  # its word comes behind the late one
    assert len(words.given) == 2
    assert shop.marks() == ["job", "next"]
    assert shop.app.store.story(job._id) == before


def test_what_is_given_to_a_worker_that_is_told_to_stop_is_not_lost(shop: Workshop, words: Words) -> None:
    stopping = shop.worker()
    standing(shop)
    shop.stop(stopping)  # so that it hears of both at once
    job = shop.tasks.once.enqueue("job")
    assert (job.state, words.given) == ("running", [job._id])
    stopping.terminate()
    stopping.send_signal(signal.SIGCONT)
    assert stopping.wait(PATIENCE_S) == 0
    assert job.state in ("available", "completed")
    assert offers(shop) == []
    shop.worker()
    job.wait(PATIENCE_S)
    assert shop.marks() == ["job"]


@pytest.mark.slow
def test_jobs_that_come_one_by_one_outlive_those_who_are_given_them(shop: Workshop, words: Words) -> None:
    """Every fiftieth job's worker is killed before it hears of it, and another one at any moment after that."""
    luck = random.Random(11)
    jobs = [shop.tasks.work.job(n) for n in range(300)]
    workers = [shop.worker("--queues", "default") for _ in range(2)]
    killed: list[bytes] = []

    def kill(place: int) -> None:
        workers[place].kill()
        workers[place].wait()
        workers[place] = shop.worker("--queues", "default")

    def kill_who_was_given_it() -> None:
        given = words.said[-1]
        assert given is not None
        receivers = {each.holder for each in offers(shop) if each.job == given.job.ref}
        pids = {each.identity.pid for each in shop.app.store.holders() if each.number in receivers}
        for place, worker in enumerate(workers):
            if worker.pid in pids:  # else it is dead already, or has found the job by itself: the next one is tried
                words.first = lambda: None
                killed.append(given.job.id)
                kill(place)

    for n, job in enumerate(jobs):
        if n % 50 == 10:
            words.first = kill_who_was_given_it
        if n % 50 == 40:
            kill(luck.randrange(len(workers)))
        if n % 3 == 0:  # so that some are given, and some come while nobody is idle
            shop.until(lambda: any(offer.job is None for offer in offers(shop)))
        shop.app.enqueue_many([job])
    shop.until(lambda: siege.ended(shop) == len(jobs))
    runs, kept = siege.history(shop, "work")
    assert faults([id_text(job.id) for job in jobs], runs, kept) == []
    assert len(words.given) > len(jobs) // 6
    assert len(killed) == 6
    assert any(row.token > 1 for row in kept if row.job in map(id_text, killed))  # it never heard of it


def test_who_was_taken_for_dead_leaves_no_offer_under_its_old_number(
    shop: Workshop, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.worker("--slots", "1")
    (before,) = standing(shop)
    linger = shop.tasks.linger.enqueue()
    shop.until((shop.path / "runs").exists)
    assert words.given == [linger._id]
    monkeypatch.setattr(recovery, "is_gone", lambda *_: True)
    assert recovery.Recovery(shop.app.store, TaskSpec, LEASE_MS).sweep(0, shop.app.desk.now()) == 1
    (shop.path / "go").touch()  # its child has nothing more to do, and it does not know yet that its lease is lost
    shop.until(lambda: "the lease was lost" in shop.said())
    assert linger.wait(PATIENCE_S) == 2
    shop.until(lambda: any(offer.holder > before.holder for offer in offers(shop)))
    assert {offer.holder for offer in offers(shop)} == {holder.number for holder in shop.app.store.holders()}
    jobs = [shop.tasks.once.enqueue(str(n)) for n in range(10)]
    assert all(job.wait(PATIENCE_S) for job in jobs)
    assert sorted(shop.marks()) == [str(n) for n in range(10)]


def test_a_cancelled_job_that_is_taken_back_from_the_dead_is_not_begun(shop: Workshop, words: Words) -> None:
    dead = shop.worker()
    standing(shop)
    dead.kill()
    dead.wait()
    job = shop.tasks.linger.job()
    states: list[State] = []
    words.first = lambda: states.append(shop.app.store.cancel([job.id], shop.app.desk.now())[job.id])
    shop.app.enqueue_many([job])
    assert (states, words.given) == ([State.RUNNING], [job.id])
    shop.worker()
    shop.until(lambda: shop.app.store.outcome(job.id)[0].terminal)
    assert shop.app.store.outcome(job.id)[0] is State.CANCELLED
    assert not (shop.path / "runs").exists()


def test_what_is_given_is_done_although_the_store_is_shut_before_the_worker_looks(shop: Workshop, words: Words) -> None:
    worker = shop.worker()
    standing(shop)
    shop.stop(worker)
    job = shop.tasks.once.enqueue("x" * 2 * WORD_BYTES)
    assert (job.state, words.said) == ("running", [None])
    shop.app.store.moving.shut(Notice("leaving", "postgresql://elsewhere"))
    worker.send_signal(signal.SIGCONT)
    shop.until(lambda: job.state == "completed")  # whoever moves the store waits for that
    assert len(shop.marks()) == 1
