"""A worker on a disk that fills up under it: what was acknowledged ends, its own purge frees room, and it recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop
from tests.support.small_disk import empty, fill, used

from oakum.model.ids import id_text
from oakum.model.job import JobQuery, State

MIB = 1024 * 1024
JOBS = 400
BALLAST = "work.db-oakum/ballast"
SOURCE = """
def there(*path):
    return os.path.exists(os.path.join(HERE, *path))

@app.task(result_ttl=0)
def work(n: int, size: int) -> str:
    while not there("filled"):
        time.sleep(0.01)
    mark(n)
    return "x" * size

@app.task
def ask() -> str:
    mark("asks")
    while there("work.db-oakum", "ballast"):
        time.sleep(0.01)
    try:
        work.enqueue(-1, 1)
    except NotEnqueued as error:
        refusal = str(error)
    mark("refused")
    while not there("emptied"):
        time.sleep(0.01)
    work.enqueue(JOBS, 1)
    return refusal
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE.replace("JOBS", str(JOBS)))
    yield workshop
    workshop.close()


def begin(shop: Workshop, result: int) -> None:
    """A worker whose disk is full from now on, and jobs that each return `result` bytes.

    All writes but the first are the worker's: this process is not on the small disk.
    """
    place = str(shop.path)
    shop.tasks.ask.using(priority=9).enqueue()
    shop.app.enqueue_many(shop.tasks.work.job(n, result) for n in range(JOBS))
    assert (shop.path / BALLAST).exists()
    size = used(place) + 64 * MIB
    shop.worker("--disk", place, str(size), program=("tests.support.odd_worker",))
    shop.until(shop.marks)
    fill(place, size)
    (shop.path / "filled").touch()


def end(shop: Workshop) -> None:
    """There is room again: everything goes on by itself, and nothing has run twice."""
    empty(str(shop.path))
    (shop.path / "emptied").touch()
    shop.until(lambda: left(shop) == {("shop.ask", State.COMPLETED)})
    shop.until((shop.path / BALLAST).exists)
    (ask,) = shop.app.store.jobs(JobQuery()).jobs
    assert "disk is full" in shop.app.job(id_text(ask.id)).wait(PATIENCE_S)
    assert sorted(int(mark) for mark in shop.marks() if mark.isdecimal()) == list(range(JOBS + 1))


def test_on_a_full_disk_no_job_is_lost_and_the_purge_still_frees_room(shop: Workshop) -> None:
    begin(shop, result=2_000)
    shop.until(
        lambda: "refused" in shop.marks()
    )  # it hit: what was kept for this is in use, and new jobs are not taken
    shop.until(lambda: left(shop) == {("shop.ask", State.RUNNING)})  # all have ended, and their rows are purged
    end(shop)


def test_results_that_have_no_room_are_kept_until_there_is_some(shop: Workshop) -> None:
    begin(shop, result=20_000)
    shop.until(lambda: "the disk is full; free some room" in shop.said())
    assert any(task == "shop.work" for task, _ in left(shop))  # it is held up
    end(shop)


def left(shop: Workshop) -> set[tuple[str, State]]:
    """What is still in the store."""
    return {(count.task, count.state) for count in shop.app.store.counts() if count.jobs}
