"""Schedules with real workers: one leads, any may be killed or stopped, and no tick happens twice."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.processes.workers import Workshop

from oakum.model.job import JobQuery, JobView
from oakum.model.schedule.spec import Course, decode_course
from oakum.run.ticker import find

FAST = """
@app.task
def beat() -> int:
    return os.getpid()

app.schedule("beat", every("100ms"), beat.job(), overlap="allow", catchup=All(max=1000))
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Callable[[str], Workshop]]:
    made: list[Workshop] = []

    def make(source: str) -> Workshop:
        made.append(Workshop(tmp_path, source))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


def course(shop: Workshop, name: str = "beat") -> Course | None:
    row = find(shop.app.store, name)
    return None if row is None else decode_course(row.state)


def more_ticks(shop: Workshop, count: int) -> None:
    """Waits until so many more have fired."""
    before = course(shop)
    aim = count + (before.fired if before is not None else 0)
    shop.until(lambda: (now := course(shop)) is not None and now.fired >= aim)


def jobs_of(shop: Workshop, name: str = "beat") -> list[JobView]:
    found: list[JobView] = []
    before: bytes | None = None
    while True:
        page = shop.app.store.jobs(JobQuery(tag=f"schedule:{name}", before=before, limit=1000))
        found += page.jobs
        if page.before is None:
            return found
        before = page.before


def holder_of(shop: Workshop, worker: subprocess.Popen[bytes]) -> int:
    return next(holder.number for holder in shop.app.store.holders() if holder.identity.pid == worker.pid)


def lead_and_follow(shop: Workshop) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """Two workers, the first of which leads and has fired ticks."""
    leader = shop.worker()
    more_ticks(shop, 3)
    other = shop.worker()
    shop.until(lambda: len(shop.app.store.holders()) == 2)
    assert holder_of(shop, leader) < holder_of(shop, other)
    return leader, other


def each_tick_happened_once(shop: Workshop) -> None:
    """Whatever was killed meanwhile: one job for each tick, and since all are caught up none is missing."""
    last = course(shop)
    assert last is not None
    ticks = sorted(job.run_at_ms for job in jobs_of(shop))
    assert ticks == list(range(last.since_ms - 100 * (last.fired - 1), last.since_ms + 1, 100))


def test_a_tick_is_one_job_when_leaders_are_killed(workshop) -> None:
    shop = workshop(FAST)
    leader, other = lead_and_follow(shop)
    for _ in range(2):
        leader.kill()
        leader.wait()
        more_ticks(shop, 20)  # the other one goes on, and those that nobody led meanwhile are caught up
        leader, other = other, shop.worker()
        shop.until(lambda: len(shop.app.store.holders()) == 2)
    shop.close()
    each_tick_happened_once(shop)


def test_a_tick_is_one_job_when_leaders_stop_and_go_on(workshop) -> None:
    shop = workshop(FAST)
    leader, other = lead_and_follow(shop)
    for worker, ticks in ((other, 3), (leader, 20)):  # what the leader leaves lying for five seconds is anybody's
        shop.stop(worker)
        more_ticks(shop, ticks)
        worker.send_signal(signal.SIGCONT)
        more_ticks(shop, 3)
    shop.close()
    each_tick_happened_once(shop)


@pytest.mark.slow  # a lease is fifteen seconds
def test_a_leader_that_slept_past_its_lease_fires_nothing(workshop) -> None:
    shop = workshop(FAST)
    leader, _ = lead_and_follow(shop)
    number = holder_of(shop, leader)
    shop.stop(leader)
    shop.until(lambda: number not in {holder.number for holder in shop.app.store.holders() if not holder.fenced})
    more_ticks(shop, 10)
    leader.send_signal(signal.SIGCONT)
    shop.until(lambda: "began anew" in shop.said())
    assert holder_of(shop, leader) > number
    more_ticks(shop, 10)
    shop.close()
    each_tick_happened_once(shop)


def test_what_the_code_declares_is_brought_to_the_store_when_it_is_loaded(workshop) -> None:
    shop = workshop(FAST)
    worker = shop.worker()
    more_ticks(shop, 1)
    shop.write("""
@app.task
def beat() -> int:
    return os.getpid()

for number in range(250):
    app.schedule(f"daily {number:03}", cron("30 2 * * *", zone="Europe/Berlin"), beat.job())
""")
    worker.send_signal(signal.SIGHUP)
    shop.until(lambda: find(shop.app.store, "daily 249") is not None)
    assert find(shop.app.store, "beat") is None
    names = [row.name for row in shop.app.store.schedules(limit=1000)]
    assert names == [f"daily {number:03}" for number in range(250)]
