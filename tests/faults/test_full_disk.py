"""A worker on a disk that fills up under it: what was acknowledged ends, its own purge frees room, and it recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop
from tests.support.small_disk import empty, fill, used

from oakum.model.job import State

MIB = 1024 * 1024
JOBS = 400
SOURCE = """
def there(*path):
    return os.path.exists(os.path.join(HERE, *path))

@app.task(result_ttl=0)
def work(n: int) -> str:
    mark(n)
    return "x" * 2_000

@app.task
def ask() -> str:
    mark("asks")
    while there("work.db-oakum", "ballast"):
        time.sleep(0.01)
    try:
        work.enqueue(-1)
    except NotEnqueued as error:
        refusal = str(error)
    mark("refused")
    while not there("emptied"):
        time.sleep(0.01)
    work.enqueue(JOBS)
    return refusal
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE.replace("JOBS", str(JOBS)))
    yield workshop
    workshop.close()


def test_on_a_full_disk_no_job_is_lost_and_the_purge_still_frees_room(shop: Workshop) -> None:
    """All writes but the first are the worker's: this process is not on the small disk."""
    place, ballast = str(shop.path), shop.path / "work.db-oakum" / "ballast"
    ask = shop.tasks.ask.using(priority=9).enqueue()
    jobs = [shop.tasks.work.job(n) for n in range(JOBS)]
    shop.app.enqueue_many(jobs)
    assert ballast.exists()
    size = used(place) + 8 * MIB
    shop.worker("--disk", place, str(size), program=("tests.support.odd_worker",))
    shop.until(shop.marks)
    fill(place, size)
    shop.until(
        lambda: "refused" in shop.marks()
    )  # it hit: what was kept for this is in use, and new jobs are not taken
    shop.until(lambda: left(shop) == {("shop.ask", State.RUNNING)})  # all have ended, and their rows are purged
    empty(place)
    (shop.path / "emptied").touch()
    assert "disk is full" in ask.wait(PATIENCE_S)
    shop.until(ballast.exists)
    shop.until(lambda: left(shop) == {("shop.ask", State.COMPLETED)})
    assert sorted(int(mark) for mark in shop.marks() if mark.isdecimal()) == list(range(JOBS + 1))  # each once


def left(shop: Workshop) -> set[tuple[str, State]]:
    """What is still in the store."""
    return {(count.task, count.state) for count in shop.app.store.counts() if count.jobs}
