"""Somebody sets the wall clock while workers run: two hours back, then a day on. Leases and limits run on clocks that nobody sets."""

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


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


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
        off.write_text(str(hours * HOUR_S))
        for _ in range(3):
            now = clock.wall()
            shop.until(lambda now=now: all(0 <= report.at_ms / 1000 - now < HOUR_S for report in reports(shop)))
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
