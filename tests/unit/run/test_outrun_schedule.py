"""A schedule that outruns its worker, simulated: a tick each second, 1.15 s of work, one slot, for minutes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from oakum.clock import FakeClock
from oakum.inspector.inspector import Inspector
from oakum.model.job import DEFAULT_QUEUE, WAITING, Claimed, NewJob
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed, Usage
from oakum.model.report import WorkerReport, encode_report
from oakum.model.schedule.spec import Course, Schedule, decode_course
from oakum.model.schedule.timing import every
from oakum.model.stats import TaskStats
from oakum.model.task import TaskSpec
from oakum.run.ticker import Ticker, find
from oakum.run.worker.sampler import Sampler
from oakum.store.base import Identity, Instant, Want
from oakum.store.memory import MemoryStore

STEP_S = 0.01
SPEC = TaskSpec("refresh", result_ttl_s=5)
REPORT = WorkerReport(1, "shop:app", "running", 0, 0, 1, 0, 0, 1, (), (), "", queues=(DEFAULT_QUEUE,))


class Simulation:
    """The leading worker with its one slot. A job takes `takes_s`."""

    def __init__(self, clock: FakeClock, **options: Any) -> None:
        self.clock, self.takes_s, self.most_waiting = clock, 1.15, 0
        self.store = MemoryStore()
        self.holder = self.store.enrol(Identity("host", "boot", 1, 2, 3), 10**9, self.now())
        self.store.renew(self.holder, 10**9, encode_report(REPORT), self.now())
        self.sampler = Sampler(self.store)
        self.ticker = Ticker(self.store, self.now, self.sampler.safe_ms)
        self.schedule = Schedule(every("1s"), NewJob(b"", "refresh", b"\x90"), **options)
        self.declare()
        self._running: tuple[Claimed, float] | None = None

    def declare(self) -> None:
        """What a worker does when it starts."""
        for _ in self.ticker.declare([("refresh", self.schedule)], "shop:app"):
            pass

    def now(self) -> Instant:
        return Instant.read(self.clock)

    def course(self) -> Course:
        row = find(self.store, "refresh")
        assert row is not None
        return decode_course(row.state)

    def kept(self) -> int:
        return sum(count.jobs for count in self.store.counts())

    def run(self, seconds: int) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.ticker.fire(self.holder)
            self._work()
            waiting = sum(count.jobs for count in self.store.counts() if count.state in WAITING)
            self.most_waiting = max(self.most_waiting, waiting)
            self.sampler.tick(self.now())
            self.store.prune(self.now())
            self.clock.advance(STEP_S)

    def _work(self) -> None:
        now = self.now()
        if self._running is not None and self._running[1] <= self.clock.monotonic():
            usage = Usage(now.wall_ms, round(self.takes_s * 1e6), 0)
            end = settle(self._running[0], Completed(), usage, SPEC, now.wall_ms, 0.5)
            assert self.store.settle([end], self.holder, now) == []
            stats = TaskStats()
            stats.runs, stats.busy_us = 1, usage.duration_us
            self.store.observe({"refresh": stats})
            self._running = None
        if self._running is None:
            for job in self.store.claim(Want(self.holder, (DEFAULT_QUEUE,), {"refresh": 1}, 1, 1), now):
                self._running = job, self.clock.monotonic() + self.takes_s


@pytest.mark.parametrize(("overlap", "waiting"), [("skip", 0), ("queue_one", 1), ("allow", 2)])
def test_the_answer_is_there_within_a_minute_and_nothing_piles_up(clock, overlap, waiting) -> None:
    simulation = Simulation(clock, overlap=overlap)
    simulation.run(60)
    (row,) = Inspector(simulation.store, clock).capacity().intervals
    assert (row.verdict, row.slots_needed) == ("too short", 2)
    assert row.safe_s is not None and 1.15 <= row.safe_s <= 1.25
    assert "ticks every 1.00 s, but every 1.22 s is the fastest that is safe" in simulation.ticker.warnings["refresh"]
    simulation.run(60)
    assert simulation.most_waiting == waiting, "a run that nobody has begun after an interval is not worth it any more"


def test_what_has_ended_goes_as_fast_as_it_comes(clock) -> None:
    simulation = Simulation(clock)
    simulation.run(30)
    kept = simulation.kept()
    simulation.run(300)
    assert simulation.course().fired > 100
    assert simulation.kept() <= kept + 1


def test_a_worker_that_starts_warns_of_what_was_measured_before(clock) -> None:
    simulation = Simulation(clock)
    simulation.run(20)
    simulation.ticker = Ticker(simulation.store, simulation.now, lambda _: None)
    simulation.declare()
    assert "every 1.22 s is the fastest that is safe" in simulation.ticker.warnings["refresh"]


def test_an_interval_that_adapts_is_stretched_and_comes_back(clock) -> None:
    simulation = Simulation(clock, adapt=True)
    simulation.run(30)
    assert "stretched from 1.00 s to 1.22 s" in simulation.ticker.warnings["refresh"]
    before = simulation.course()
    simulation.run(60)
    after = simulation.course()
    assert after.skipped == before.skipped, "every tick of the stretched interval is a job"
    assert 60 / 1.25 - 1 <= after.fired - before.fired <= 60 / 1.15 + 1
    simulation.takes_s = 0.3
    simulation.run(120)
    assert simulation.ticker.warnings == {}
    back = simulation.course()
    simulation.run(10)
    assert simulation.course().fired - back.fired == 10


def test_a_schedule_that_is_slowed_down_is_no_longer_warned_of(clock) -> None:
    simulation = Simulation(clock)
    simulation.run(30)
    simulation.schedule = replace(simulation.schedule, timing=every("1.3s"))
    simulation.declare()
    simulation.run(3)
    assert simulation.ticker.warnings == {}
