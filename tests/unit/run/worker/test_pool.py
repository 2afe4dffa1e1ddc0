"""Who of those that are claimed begins, and who may not any more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from oakum.model.outcome import Expired
from oakum.run.worker.fleet import Fleet
from oakum.run.worker.pool import Pool


@pytest.fixture
def crew(puppet):
    fleet = Fleet(1 << 30, 1)
    fleet.kids.append(puppet())
    return SimpleNamespace(fleet=fleet, ended=[], returned=[], herald=SimpleNamespace(listens=False))


@pytest.fixture
def pool(crew, plan):
    one = plan(window=1)
    ledger = SimpleNamespace(plan=lambda job: one, weigh=lambda plan: plan.limit)
    return Pool(crew, ledger, SimpleNamespace(expect=lambda limit: None))


def running(crew) -> list[int]:
    return [held.job.ref for kid in crew.fleet.kids for held in kid.in_hand.values()]


def test_jobs_begin_in_order_as_children_become_free(pool, crew, jobs) -> None:
    pool.add(jobs(3))
    pool.hand_out(0)
    assert running(crew) == [1]
    crew.fleet.kids[0].in_hand.clear()
    pool.hand_out(0)
    assert running(crew) == [2]
    assert len(pool) == 1


def test_a_job_that_waited_here_until_it_expired_does_not_begin(pool, crew, jobs) -> None:
    first, late, last = jobs(3)
    late = replace(late, expires_ms=1000)
    pool.add([first, late, last])
    pool.hand_out(999)
    assert running(crew) == [1]
    assert len(pool) == 2
    crew.fleet.kids[0].in_hand.clear()
    pool.hand_out(1000)
    assert running(crew) == [3]
    assert [(ended.job, ended.outcome) for ended in crew.ended] == [(late, Expired())]


def test_one_that_a_child_gives_back_may_have_expired_too(pool, crew, jobs) -> None:
    crew.returned = [replace(jobs()[0], expires_ms=5)]
    pool.hand_out(6)
    assert running(crew) == []
    assert [ended.outcome for ended in crew.ended] == [Expired()]
    assert len(pool) == 0
