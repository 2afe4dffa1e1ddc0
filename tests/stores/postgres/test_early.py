"""New jobs are there, and rung for, before the server's disk has them; they are acknowledged after that."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors
from tests.support.postgres import PostgresServer, new_schema

from oakum.clock import FakeClock
from oakum.errors import EnqueueUnknown
from oakum.model.job import NewJob, State
from oakum.store.base import Bell
from oakum.store.postgres.bell import EVERY_S
from oakum.store.postgres.db import Db
from oakum.store.postgres.store import PostgresStore
from oakum.testing.conformance.bench import PATIENCE_S, Bench

KEEP = "pg_logical_emit_message"  # the statement that waits for the disk
WAKE = "FOR UPDATE OF holder"  # the one that waits for a worker's row, if it must


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], list[str]]:
    """Has something done before each statement with a certain text; those statements."""

    def watch(part: str, work: Callable[[], None]) -> list[str]:
        run, seen = Db.run, []

        def watched(db: Db, text: str, values: tuple = ()) -> int:
            if part in text:
                seen.append(text)
                work()
            return run(db, text, values)

        monkeypatch.setattr(Db, "run", watched)
        return seen

    return watch


@pytest.fixture
def bell(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bell:
    """One that is rung for workers that sleep, and for nothing else; there is one that sleeps."""
    monkeypatch.setitem(EVERY_S, "work", 3600.0)
    bell = bench.another().listen("work")
    bench.plain(1, queue="another")  # with that, whoever is no worker has been told
    fall_asleep(bench)
    bell.drain()
    return bell


def fall_asleep(bench: Bench) -> None:
    """A worker finds nothing, and notes that."""
    assert bench.claim(bench.worker()) == []


def stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("acknowledged", [True, False])
def test_what_is_acknowledged_is_on_the_disk(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, acknowledged: bool
) -> None:
    """The server crashes with a log that nobody writes to the disk but who waits for that."""
    with new_schema(server.url) as url:
        server.stop("fast")
        server.start("wal_writer_delay=10s")
        bench = Bench(lambda: PostgresStore(url), FakeClock())
        fall_asleep(bench)
        if acknowledged:
            bench.plain(1)
        else:
            monkeypatch.setattr(PostgresStore, "_keep", stop)
            with pytest.raises(KeyboardInterrupt):
                bench.plain(1)
        server.stop("immediate")
        server.start()
        left = {count.state: count.jobs for count in bench.another().counts()}
        assert left == ({State.AVAILABLE: 1} if acknowledged else {})
        bench.close()


def test_a_worker_that_sleeps_is_rung_for_before_the_disk_has_the_job(bench: Bench, bell: Bell, before) -> None:
    heard: list[bool] = []
    kept = before(KEEP, lambda: heard.append(bell.wait(PATIENCE_S)))
    bench.plain(1)
    assert (heard, len(kept)) == ([True], 1)


def test_a_job_that_nobody_sleeps_for_is_committed_once(bench: Bench, before) -> None:
    kept = before(KEEP, stop)
    bench.plain(1)
    assert (kept, bench.counts()) == ([], {State.AVAILABLE: 1})


def test_a_job_that_is_there_already_is_waited_for(bench: Bench, before) -> None:
    """Whoever put it in may not have been told yet that it is on the disk."""
    (job,) = bench.plain(1)
    kept = before(KEEP, bench.counts)
    bench.insert(job)
    assert (len(kept), bench.counts()) == (1, {State.AVAILABLE: 1})


def test_who_has_a_sleeping_workers_row_is_waited_for_after_the_commit(
    bench: Bench, bell: Bell, postgres_store_url: str, before
) -> None:
    server, _, schema = postgres_store_url.partition("?schema=")
    seen: list[int] = []
    with psycopg.connect(server) as renewal:
        renewal.execute(f'UPDATE "{schema}".holder SET lease_until = lease_until + 1')

        def look() -> None:
            seen.append(sum(count.jobs for count in bench.another().counts()))
            assert not bell.wait(0)
            renewal.commit()

        before(WAKE, look)
        bench.plain(1)
    assert seen == [2]
    assert bell.wait(PATIENCE_S)


def test_a_wait_for_the_disk_that_is_broken_off_is_made_up_for(bench: Bench, bell: Bell, before) -> None:
    refusals = [errors.QueryCanceled("somebody broke it off")]

    def refuse() -> None:
        if refusals:
            raise refusals.pop()

    kept = before(KEEP, refuse)
    bench.plain(1)
    assert (len(kept), bench.counts()) == (2, {State.AVAILABLE: 2})


def test_a_wait_for_the_disk_that_is_never_granted_leaves_it_unknown(bench: Bench, bell: Bell, before) -> None:
    def refuse() -> None:
        raise errors.QueryCanceled("somebody broke it off")

    kept = before(KEEP, refuse)
    bench.refused(EnqueueUnknown, NewJob(bench.id(), "t", b""))
    assert (len(kept), bench.counts()) == (2, {State.AVAILABLE: 2})
