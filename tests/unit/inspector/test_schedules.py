"""Schedules as the inspector tells them: what capacity is told, and what happens when others change one all the time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from oakum.clock import FakeClock
from oakum.errors import StoreError, StoreTooNew
from oakum.inspector.capacity import Planned
from oakum.inspector.schedules import Schedules
from oakum.inspector.views import Ticking
from oakum.model.job import NewJob
from oakum.model.schedule.spec import Schedule
from oakum.model.schedule.timing import At, Cron, Every
from oakum.run.ticker import Ticker, find
from oakum.store.base import Instant
from oakum.store.memory import MemoryStore

JOB = NewJob(b"", "t", b"", queue="q")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def schedules(store, clock) -> Schedules:
    return Schedules(store, clock)


def declare(store: MemoryStore, clock: FakeClock, **declared: Schedule) -> None:
    for _ in Ticker(store, lambda: Instant.read(clock), lambda _: None).declare(sorted(declared.items()), "app"):
        pass


def test_capacity_is_told_of_those_that_tick(store, clock, schedules) -> None:
    declare(
        store, clock, daily=Schedule(Cron("0 3 * * *"), JOB), fast=Schedule(Every(100), JOB, "allow"), over=Schedule(At((5,)), JOB),
        paused=Schedule(Every(100), JOB),
    )  # fmt: skip
    schedules.pause("paused")
    assert list(schedules.planned()) == [
        Planned("daily", "q", "t", 86_400.0, True),
        Planned("fast", "q", "t", 0.1, False),
    ]
    assert schedules.ticking() == Ticking(4, 2, store.next_tick())
    assert [(row.name, row.state) for row in schedules.all()] == [
        ("daily", "ticking"), ("fast", "ticking"), ("over", "over"), ("paused", "paused"),
    ]  # fmt: skip


def test_a_change_is_made_again_where_another_came_first(store, clock, schedules, monkeypatch) -> None:
    declare(store, clock, a=Schedule(Every(100), JOB))
    write, losses = store.write_schedule, 3

    def lose(row, jobs, holder, now) -> bool:
        nonlocal losses
        losses -= 1
        return losses < 0 and write(row, jobs, holder, now)

    monkeypatch.setattr(store, "write_schedule", lose)
    assert schedules.pause("a").state == "paused"
    losses = 10**9
    with pytest.raises(StoreError, match="changed all the time by others"):
        schedules.resume("a")


def test_one_of_a_newer_version_is_told_as_such(store, clock, schedules) -> None:
    declare(store, clock, a=Schedule(Every(100), JOB))
    row = replace(find(store, "a"), version=2, spec=b"\x81\xa3new\x01")
    assert store.write_schedule(row, (), None, Instant.read(clock))
    with pytest.raises(StoreTooNew, match="schedule a: written by a newer Oakum"):
        schedules.show("a")
