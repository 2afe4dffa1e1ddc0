"""`app.purge_schedule` in a real worker: its progress is seen, a stopped worker gives it back, the next one does the rest."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.processes.workers import PATIENCE_S, Workshop

from oakum.clock import SystemClock
from oakum.inspector.schedules import Schedules

OLD, YOUNG = 2_000, 10
SOURCE = f"""
from oakum import purge

def old_events(job):
    mark(job.attempt)
    limits = purge.Options(largest_batch=100, pause="0s" if os.path.exists(HERE + "/hurry") else "500ms")
    url = f"sqlite:///{{HERE}}/shop.db"
    return purge.table(url, "events", where=["id<={OLD}"], options=purge.in_job(job, limits)).rows

app.purge_schedule("events", every("1h"), old_events)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


@pytest.fixture
def events(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(tmp_path / "shop.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO events SELECT i FROM n",
        (OLD + YOUNG,),
    )
    yield connection
    connection.close()


def left(events: apsw.Connection) -> int:
    return int(events.execute("SELECT count(*) FROM events").fetchall()[0][0])


def test_its_progress_is_seen_and_a_stopped_worker_gives_it_back(shop: Workshop, events: apsw.Connection) -> None:
    worker = shop.worker("--grace", "0s")
    schedules = Schedules(shop.app.store, SystemClock())
    shop.until(lambda: list(schedules.all()))
    job = shop.app.job(schedules.trigger("events"))
    said = shop.until(lambda: job.progress)
    assert (said.done > 0, said.total) == (True, OLD)
    assert said.note.startswith(f"rows of events of {shop.path}/shop.db, ")
    assert " left" in said.note

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    rest = left(events) - YOUNG
    assert 0 < rest < OLD  # it hit: half-way
    assert job.state == "available"

    (shop.path / "hurry").touch()
    shop.worker()
    assert job.wait(PATIENCE_S) == rest
    assert left(events) == YOUNG
    assert shop.marks() == ["1", "1"]  # two starts, and no try was spent on the first


def test_cancelled_it_ends_between_two_batches(shop: Workshop, events: apsw.Connection) -> None:
    shop.worker()
    schedules = Schedules(shop.app.store, SystemClock())
    shop.until(lambda: list(schedules.all()))
    job = shop.app.job(schedules.trigger("events"))
    shop.until(lambda: job.progress)
    job.cancel()
    shop.until(lambda: job.state == "cancelled")
    assert 0 < left(events) - YOUNG < OLD
