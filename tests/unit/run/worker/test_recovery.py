"""Whose jobs are given back, when, and as what: of processes that ended, and of leases that nobody renews."""

from __future__ import annotations

import msgspec
import pytest

from oakum.clock import FakeClock
from oakum.host.identity import myself
from oakum.model.job import NewJob, State
from oakum.model.outcome import Lost, Released, decode_record
from oakum.model.task import TaskSpec
from oakum.run.worker.recovery import LOOKS, Recovery, identity
from oakum.store.base import Identity, Instant, Want
from oakum.store.ids import IdSource
from oakum.store.memory import MemoryStore

LEASE_MS = 15_000
HERE = identity(myself())
ELSEWHERE = msgspec.structs.replace(HERE, host="another", boot_id="another boot")


class Scene:
    """A store in which one worker looks after the others."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.own = self.store.enrol(HERE, LEASE_MS, self.now)
        self.recovery = Recovery(self.store, TaskSpec, LEASE_MS)

    @property
    def now(self) -> Instant:
        return Instant.read(self.clock)

    def running(self, worker: Identity) -> tuple[int, bytes]:
        """A new holder of that identity with one job; its number and the job's id."""
        holder = self.store.enrol(worker, LEASE_MS, self.now)
        job = NewJob(IdSource().new(self.now.wall_ms), "t", b"")
        self.store.insert([job], self.now)
        assert len(self.store.claim(Want(holder, ("default",), {"t": 1}, 1, 1), self.now)) == 1
        return holder, job.id

    def sweep(self, times: int = 1, apart_s: float = 2.0) -> int:
        """Sweeps, with that many seconds before each; how many jobs were given back."""
        jobs = 0
        for _ in range(times):
            self.clock.advance(apart_s)
            jobs += self.recovery.sweep(self.own, self.now)
        return jobs


@pytest.fixture
def scene():
    return Scene()


def test_a_process_of_this_host_that_ended_is_found_at_once(scene):
    _, job = scene.running(msgspec.structs.replace(HERE, pid=2**22 + 1))
    assert scene.sweep() == 1
    state, record = scene.store.outcome(job)
    assert state is State.AVAILABLE
    assert isinstance(decode_record(record).outcome, Released)
    assert [each.number for each in scene.store.holders()] == [scene.own]


@pytest.mark.parametrize("worker", [ELSEWHERE, msgspec.structs.replace(HERE, pid_namespace=1)])
def test_elsewhere_a_lease_must_stay_unrenewed_for_its_whole_length(scene, worker):
    scene.running(worker)
    assert scene.sweep(times=8, apart_s=2.0) == 0  # 14 seconds after the first look
    assert scene.sweep() == 1


def test_a_lease_that_is_renewed_is_never_taken(scene):
    holder, job = scene.running(ELSEWHERE)
    for _ in range(20):
        assert scene.sweep(apart_s=LEASE_MS / 1000 - 1) == 0
        assert scene.store.renew(holder, LEASE_MS, b"", scene.now)
    assert scene.store.outcome(job)[0] is State.RUNNING


def test_a_lease_in_another_hosts_time_says_nothing_by_itself(scene):
    """The other host has been up for a minute, this one for a month: its leases lie in this one's past."""
    scene.clock.advance(30 * 86400)
    holder = scene.store.enrol(ELSEWHERE, LEASE_MS, Instant(scene.now.wall_ms, 60_000))
    assert scene.sweep(times=3) == 0
    assert holder in [each.number for each in scene.store.holders()]


def test_a_host_that_slept_takes_nobodys_jobs_before_they_can_renew(scene):
    scene.running(ELSEWHERE)
    assert scene.sweep() == 0
    assert scene.sweep(times=LOOKS - 2, apart_s=3600.0) == 0  # asleep for an hour between two looks


def test_a_job_of_this_hosts_earlier_boot_is_a_suspect(scene):
    _, job = scene.running(msgspec.structs.replace(HERE, boot_id="the boot before"))
    assert scene.sweep(times=9) == 1
    outcome = decode_record(scene.store.outcome(job)[1]).outcome
    assert isinstance(outcome, Lost)
    assert outcome.host


def test_its_own_jobs_are_never_taken(scene):
    scene.store.insert([NewJob(IdSource().new(scene.now.wall_ms), "t", b"")], scene.now)
    assert len(scene.store.claim(Want(scene.own, ("default",), {"t": 1}, 1, 1), scene.now)) == 1
    assert scene.sweep(times=30) == 0


def test_the_eldest_that_is_not_fenced_leads(scene):
    elder = scene.own
    younger = scene.store.enrol(ELSEWHERE, LEASE_MS, scene.now)
    recovery = Recovery(scene.store, TaskSpec, LEASE_MS)
    recovery.sweep(younger, scene.now)
    assert not recovery.leads
    scene.sweep()
    assert scene.recovery.leads
    (lease,) = [each.lease_until_ms for each in scene.store.holders() if each.number == elder]
    assert scene.store.fence(elder, lease)
    recovery.sweep(younger, scene.now)
    assert recovery.leads
