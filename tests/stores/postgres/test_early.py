"""New jobs are there, and rung for, before the server's disk has them; they are acknowledged after that."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors
from tests.support.postgres import PostgresServer, new_schema

from oakum.clock import FakeClock
from oakum.errors import EnqueueUnknown
from oakum.model.job import NewJob, State
from oakum.store.postgres.db import Db
from oakum.store.postgres.store import PostgresStore
from oakum.testing.conformance.bench import PATIENCE_S, Bench

KEEP = "pg_logical_emit_message"  # the statement that waits for the disk


@pytest.fixture
def before_keep(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], list[str]]:
    """Has something done before each statement that waits for the disk; those statements."""

    def watch(work: Callable[[], None]) -> list[str]:
        run, seen = Db.run, []

        def watched(db: Db, text: str, values: tuple = ()) -> int:
            if KEEP in text:
                seen.append(text)
                work()
            return run(db, text, values)

        monkeypatch.setattr(Db, "run", watched)
        return seen

    return watch


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


def test_a_worker_that_sleeps_is_rung_for_before_the_disk_has_the_job(bench: Bench, before_keep) -> None:
    sleeper = bench.another()
    bell = sleeper.listen("work")
    bench.plain(1, queue="another")  # whoever is no worker has been told just now
    worker = bench.worker()
    assert bench.claim(worker) == []
    bell.drain()
    heard: list[bool] = []
    kept = before_keep(lambda: heard.append(bell.wait(PATIENCE_S)))
    bench.plain(1)
    assert (heard, len(kept)) == ([True], 1)
    assert bench.claim(worker) != []


def test_an_insert_does_not_wait_for_who_has_a_sleeping_workers_row(bench: Bench, postgres_store_url: str, before_keep):
    """It is rung for once that row is free."""
    server, _, schema = postgres_store_url.partition("?schema=")
    bell = bench.another().listen("work")
    bench.plain(1, queue="another")
    assert bench.claim(bench.worker()) == []
    bell.drain()
    seen: list[int] = []
    with psycopg.connect(server) as renewal, ThreadPoolExecutor(1) as pool:
        renewal.execute(f'UPDATE "{schema}".holder SET lease_until = lease_until + 1')

        def look() -> None:
            seen.append(sum(count.jobs for count in bench.another().counts()))
            assert not bell.wait(0)
            renewal.commit()

        before_keep(look)
        assert pool.submit(bench.plain, 1).result(PATIENCE_S)
    assert seen == [2]
    assert bell.wait(PATIENCE_S)


def test_a_wait_for_the_disk_that_is_broken_off_is_made_up_for(bench: Bench, before_keep) -> None:
    refusals = [errors.QueryCanceled("somebody broke it off")]

    def refuse() -> None:
        if refusals:
            raise refusals.pop()

    kept = before_keep(refuse)
    bench.plain(1)
    assert (len(kept), bench.counts()) == (2, {State.AVAILABLE: 1})


def test_a_wait_for_the_disk_that_is_never_granted_leaves_it_unknown(bench: Bench, before_keep) -> None:
    def refuse() -> None:
        raise errors.QueryCanceled("somebody broke it off")

    kept = before_keep(refuse)
    bench.refused(EnqueueUnknown, NewJob(bench.id(), "t", b""))
    assert (len(kept), bench.counts()) == (2, {State.AVAILABLE: 1})
