"""Clocks that jump while workers run: somebody sets the wall clock, the host sleeps. Leases and limits run on clocks that nobody sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop
from tests.support.odd_worker import MovedClock

from oakum.model.report import decode_report

HOUR_S = 3600.0
SOURCE = """
app = Oakum({url!r})

@app.task
def work(name: str) -> int:
    mark(name)
    return current().token

@app.task(timeout="1h")
def long() -> int:
    mark("long")
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
    return current().token
"""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    server = request.param != "sqlite"
    url = request.getfixturevalue(f"{request.param}_store_url") if server else f"sqlite:///{tmp_path}/work.db"
    workshop = Workshop(tmp_path, SOURCE.format(url=url))
    yield workshop
    workshop.close()


def rounds(shop: Workshop, clock: MovedClock) -> None:
    """Both workers have made three rounds of housekeeping by the clock as it is now."""
    for _ in range(3):
        now = clock.wall()
        shop.until(lambda now=now: all(0 <= report.at_ms / 1000 - now < HOUR_S for report in reports(shop)))


@pytest.mark.slow
def test_a_host_that_slept_takes_nothing_from_its_own_workers(shop: Workshop) -> None:
    """After an hour of sleep all leases have run out by the time since boot; their holders renew before anybody takes them."""
    off = shop.path / "off"
    shop.app.desk.clock = clock = MovedClock(str(off))
    for _ in range(2):
        shop.worker("--clock", str(off), program=("tests.support.odd_worker",))
    shop.until(lambda: len(reports(shop)) == 2)
    holders = [holder.number for holder in shop.app.store.holders()]
    long = shop.tasks.long.enqueue()
    shop.until(lambda: "long" in shop.marks())
    before = max(holder.lease_until_ms for holder in shop.app.store.holders())
    off.write_text(f"{HOUR_S} {HOUR_S}")
    assert clock.boot() * 1000 > before  # it hit
    rounds(shop, clock)
    (shop.path / "go").touch()
    assert long.wait(PATIENCE_S) == 1  # its first and only start: an hour asleep does not count for its limit either
    assert [holder.number for holder in shop.app.store.holders()] == holders


@pytest.mark.slow
def test_a_wall_clock_that_is_moved_ends_no_lease_and_runs_nothing_twice(shop: Workshop) -> None:
    off = shop.path / "off"
    shop.app.desk.clock = clock = MovedClock(str(off))
    for _ in range(2):
        shop.worker("--clock", str(off), program=("tests.support.odd_worker",))
    shop.until(lambda: len(reports(shop)) == 2)
    holders = [holder.number for holder in shop.app.store.holders()]
    long = shop.tasks.long.enqueue()
    later = shop.tasks.work.using(delay="1h").enqueue("later")
    shop.until(lambda: "long" in shop.marks())

    def move(hours: float) -> None:
        """All of the host's programs see the clock jump, and both workers have made three rounds of housekeeping since."""
        shop.app.store.pause("default", True)
        before = [shop.tasks.work.enqueue(f"before {hours} {n}") for n in range(20)]
        off.write_text(f"{hours * HOUR_S} 0")
        rounds(shop, clock)
        after = [shop.tasks.work.enqueue(f"after {hours} {n}") for n in range(20)]
        shop.app.store.pause("default", False)
        assert [job.wait(PATIENCE_S) for job in before + after] == [1] * 40

    move(-2)
    assert later.state == "scheduled"  # its hour has not passed
    move(24)
    assert later.wait(PATIENCE_S) == 1
    (shop.path / "go").touch()
    assert long.wait(PATIENCE_S) == 1  # its first and only start, and no limit of time ended it
    assert set(Counter(shop.marks()).values()) == {1}
    assert [holder.number for holder in shop.app.store.holders()] == holders  # nobody lost a lease, or began anew


def reports(shop: Workshop):
    """What each worker said of itself last."""
    told = [decode_report(holder.report) for holder in shop.app.store.holders() if holder.report]
    return [report for report in told if report is not None]
