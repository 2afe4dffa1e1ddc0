"""How much a whole store may keep where nobody says so, and what counts as kept."""

from __future__ import annotations

import os
from contextlib import closing
from types import SimpleNamespace

import pytest

from oakum.errors import NotEnqueued, StoreFull
from oakum.model.bounds import Rules
from oakum.model.job import NewJob
from oakum.store.postgres.store import PostgresStore
from oakum.store.redis import server
from oakum.store.sqlite.space import SPARED_MOST
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance.bench import Bench
from oakum.units import GIB, MIB


@pytest.fixture
def disk(monkeypatch):
    """Sets the free bytes of a disk of so many."""

    def disk(free: int, size: int) -> None:
        told = SimpleNamespace(f_blocks=size, f_bavail=free, f_frsize=1)
        monkeypatch.setattr(os, "statvfs", lambda _: told)

    return disk


def test_an_embedded_store_spares_a_part_of_its_disk(disk, tmp_path, clock) -> None:
    with closing(Bench(lambda: SqliteStore(str(tmp_path / "work.db")), clock)) as bench:
        disk(SPARED_MOST + MIB, 1000 * GIB)
        bench.plain(1)
        used, limit = bench.store.space().used, bench.store.space().limit
        assert limit == used + MIB
        for free, size in ((SPARED_MOST, 1000 * GIB), (GIB // 20, GIB)):
            disk(free, size)
            bench.clock.advance(1)  # it is looked at once a second
            error = bench.refused(NotEnqueued, *bench.jobs(1))
            assert isinstance(error.__cause__, StoreFull)
            assert "the disk is nearly full" in str(error)
        bench.claim(bench.worker())
        bench.store.declare("store", {"": Rules(max_bytes=GIB)})
        bench.plain(1)


def test_the_disk_is_looked_at_once_a_second_and_when_new_jobs_may_fill_it(disk, tmp_path, clock) -> None:
    with closing(Bench(lambda: SqliteStore(str(tmp_path / "work.db")), clock)) as bench:
        disk(SPARED_MOST + MIB, 1000 * GIB)
        bench.plain(1)
        disk(SPARED_MOST, 1000 * GIB)
        bench.plain(1)
        bench.refused(NotEnqueued, NewJob(bench.id(), "t", bytes(MIB)))
        disk(SPARED_MOST + MIB, 1000 * GIB)
        bench.plain(1)
        disk(SPARED_MOST, 1000 * GIB)
        bench.clock.advance(1)
        bench.refused(NotEnqueued, *bench.jobs(1))


def test_room_that_ended_jobs_left_in_the_tables_is_room(postgres_store_url, clock) -> None:
    with closing(Bench(lambda: PostgresStore(postgres_store_url), clock)) as bench:
        bench.store.declare("store", {"": Rules(max_bytes=bench.store.space().used + MIB)})
        jobs = []
        with pytest.raises(NotEnqueued):
            while len(jobs) < 1000:
                job = NewJob(bench.id(), "t", os.urandom(16_384))
                bench.insert(job)
                jobs.append(job)
        bench.store.cancel([job.id for job in jobs], bench.now)
        bench.store.forget([job.id for job in jobs], bench.now)
        assert bench.store.prune(bench.now) == len(jobs)
        assert bench.store.space().used < MIB
        bench.plain(1)


@pytest.mark.parametrize(
    ("maxmemory", "bound", "limit"),
    [(6 * GIB, None, 6 * GIB), (0, None, 8 * GIB * 4 // 5), (6 * GIB, GIB, GIB), (GIB, 6 * GIB, GIB)],
)
def test_a_servers_memory_is_the_bound(maxmemory, bound, limit) -> None:
    told = f"used_memory:{MIB}\r\nmaxmemory:{maxmemory}\r\ntotal_system_memory:{8 * GIB}\r\n".encode()
    found = server.space(lambda *_: told, bound)
    assert (found.used, found.limit) == (MIB, limit)


@pytest.mark.parametrize("bound", [None, GIB])
def test_a_server_that_tells_no_limit_has_what_is_said(bound) -> None:
    assert server.space(lambda *_: b"used_memory:1\r\n", bound).limit == bound
