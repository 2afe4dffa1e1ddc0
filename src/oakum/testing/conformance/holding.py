"""Checks: workers come, renew, are fenced and go; and what they held is never lost."""

from __future__ import annotations

from oakum.model.job import State
from oakum.model.outcome import Completed, Released
from oakum.store.base import Holder, Identity
from oakum.testing.conformance.bench import LEASE_MS, Bench

WHO = Identity("host", "boot", 1, 2, 3)


def a_worker_is_known_by_number_and_identity(bench: Bench) -> None:
    one, two = bench.worker(), bench.worker()
    lease = bench.now.boot_ms + LEASE_MS
    assert list(bench.store.holders()) == [Holder(one, WHO, lease), Holder(two, WHO, lease)]


def a_number_is_never_given_again(bench: Bench) -> None:
    first = bench.worker()
    assert bench.store.discharge(first)
    assert bench.worker() > first


def a_lease_is_renewed_with_a_report(bench: Bench) -> None:
    worker = bench.worker()
    bench.clock.advance(5)
    assert bench.store.renew(worker, LEASE_MS, b"fine", bench.now)
    assert list(bench.store.holders()) == [Holder(worker, WHO, bench.now.boot_ms + LEASE_MS, report=b"fine")]


def a_stranger_renews_nothing(bench: Bench) -> None:
    assert not bench.store.renew(bench.worker() + 1, LEASE_MS, b"", bench.now)


def a_fenced_worker_renews_nothing(bench: Bench) -> None:
    worker = bench.worker()
    (seen,) = bench.store.holders()
    assert bench.store.fence(worker, seen.lease_until_ms)
    assert bench.store.fence(worker, 0)  # it is fenced, whatever was seen
    assert not bench.store.renew(worker, LEASE_MS, b"late", bench.now)
    assert list(bench.store.holders()) == [Holder(worker, WHO, seen.lease_until_ms, fenced=True)]


def a_lease_that_was_renewed_is_not_fenced(bench: Bench) -> None:
    worker = bench.worker()
    (seen,) = bench.store.holders()
    bench.clock.advance(1)
    bench.store.renew(worker, LEASE_MS, b"", bench.now)
    assert not bench.store.fence(worker, seen.lease_until_ms)
    assert not bench.store.fence(worker + 1, seen.lease_until_ms)
    bench.plain(1)
    assert len(bench.claim(worker)) == 1


def a_worker_goes_when_it_holds_nothing(bench: Bench) -> None:
    bench.plain(1)
    worker = bench.worker()
    job = bench.claim_one(worker)
    assert not bench.store.discharge(worker)
    bench.end(worker, job, Completed())
    assert bench.store.discharge(worker)
    assert bench.store.discharge(worker)
    assert bench.store.holders() == []


def a_fenced_workers_jobs_are_settled_for_it(bench: Bench) -> None:
    jobs = bench.plain(3)
    dead, alive = bench.worker(), bench.worker()
    lost = bench.claim(dead)
    (seen, _) = bench.store.holders()
    assert bench.store.fence(dead, seen.lease_until_ms)
    done, *rest = bench.store.held(dead, 10)
    bench.end(dead, done, Completed(b"it was done after all"))
    assert bench.settle(dead, *(bench.judge(job, Released("its worker ended")) for job in rest)) == []
    assert bench.store.discharge(dead)
    assert [job.id for job in bench.claim(alive)] == [job.id for job in jobs[1:]]
    assert bench.settle(dead, *(bench.judge(job, Completed(b"late")) for job in lost)) == [0, 1, 2]
    assert bench.counts() == {State.COMPLETED: 1, State.RUNNING: 2}
