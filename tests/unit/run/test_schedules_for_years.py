"""Three workers, two years, three zones: leaders die, believe what is no longer so, and have clocks that somebody sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from oakum.clock import FakeClock
from oakum.model.job import JobQuery, NewJob
from oakum.model.schedule.spec import Schedule, decode_course
from oakum.model.schedule.timing import Cron, Every, Timing
from oakum.run.ticker import Ticker, find
from oakum.store.base import Identity, Instant
from oakum.store.kept import Scheduled
from oakum.store.memory import MemoryStore

BEGIN = datetime(2025, 1, 1, 12, 30, tzinfo=UTC)
END = datetime(2027, 1, 1, 12, tzinfo=UTC)
WHO = Identity("host", "boot", 1, 2, 3)
JOB = NewJob(b"", "t", b"\x90")
HOUR_S = 3600


class Lagging:
    """A store whose reader may get the schedules as they were when he looked before: a leader that was stopped in between."""

    def __init__(self, store: MemoryStore) -> None:
        self._store, self._seen, self.late = store, list[Scheduled](), False

    def schedules(self, **which) -> list[Scheduled]:
        now = list(self._store.schedules(**which))
        seen, self._seen = self._seen, now
        return seen if self.late else now

    def __getattr__(self, name: str):
        return getattr(self._store, name)


class Worker:
    """One of the cluster; its host's clock is up to two seconds off."""

    def __init__(self, store: MemoryStore, clock: FakeClock, skew_ms: int) -> None:
        self._clock, self._skew_ms = clock, skew_ms
        self.store = Lagging(store)
        self.ticker = Ticker(self.store, self.now, lambda _: None)
        self.holder = store.enrol(WHO, 1000, self.now())

    def now(self) -> Instant:
        now = Instant.read(self._clock)
        return Instant(now.wall_ms + self._skew_ms, now.boot_ms)


def live(timing: Timing, chance: Random) -> tuple[MemoryStore, int]:
    """Two years of it; the store, and how many leaders died."""
    store, clock, deaths = MemoryStore(), FakeClock(BEGIN.timestamp()), 0
    workers = [Worker(store, clock, chance.randint(-2000, 2000)) for _ in range(3)]
    for _ in workers[0].ticker.declare([("s", Schedule(timing, JOB, overlap="allow"))], "app"):
        pass
    ahead_s = 0.0  # by how much the clock is wrong
    while clock.wall() < END.timestamp():
        clock.advance(chance.choice([HOUR_S, 5 * HOUR_S, 20 * HOUR_S, 60 * HOUR_S]) * chance.random())
        if chance.random() < 0.1:  # it is put right again before it is set wrong the next time
            step, ahead_s = (-ahead_s, 0.0) if ahead_s else (wrong := chance.uniform(-2, 2) * HOUR_S, wrong)
            clock.step_wall(step)
        if chance.random() < 0.05:
            leader = workers.pop(0)
            (seen,) = (each for each in store.holders() if each.number == leader.holder)
            store.fence(leader.holder, seen.lease_until_ms)
            leader.ticker.fire(leader.holder)  # it does not know yet
            workers.append(Worker(store, clock, chance.randint(-2000, 2000)))
            deaths += 1
        for worker in chance.sample(workers, chance.choice([0, 1, 1, 2, 3])):
            worker.store.late = chance.random() < 0.3
            worker.ticker.fire(worker.holder)
    return store, deaths


def ticks_of(store: MemoryStore) -> list[int]:
    return [job.run_at_ms for job in store.jobs(JobQuery(limit=10_000)).jobs]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("text", ["30 2 * * *", "45 1 * * *"])
def test_a_daily_tick_is_one_job_or_counted_as_missed(text: str, zone: str, seed: int) -> None:
    store, deaths = live(Cron(text, zone), Random(seed))
    course = decode_course(find(store, "s").state)
    ticks = ticks_of(store)
    assert deaths > 10
    assert len(ticks) == len(set(ticks)) == course.fired > 300
    days = {datetime.fromtimestamp(tick / 1000, ZoneInfo(zone)).date() for tick in ticks}
    assert len(days) == len(ticks)
    last = datetime.fromtimestamp(course.since_ms / 1000, ZoneInfo(zone)).date()
    assert course.fired + course.skipped["missed"] in {
        (last - BEGIN.date()) // timedelta(days=1) + day for day in (0, 1)
    }


@pytest.mark.parametrize("seed", range(3))
def test_ticks_of_an_interval_are_one_job_or_counted_as_missed(seed: int) -> None:
    store, _ = live(Every(HOUR_S * 1000), Random(seed))
    course = decode_course(find(store, "s").state)
    ticks = ticks_of(store)
    assert len(ticks) == len(set(ticks)) == course.fired > 300
    hours = course.since_ms // (HOUR_S * 1000) - int(BEGIN.timestamp()) // HOUR_S
    assert course.fired + course.skipped["missed"] == hours
