"""Behind PgBouncer in transaction mode: everything works, nobody listens, everybody polls, and it is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.processes.workers import Workshop

from oakum.clock import FakeClock
from oakum.store.open import open_care
from oakum.store.postgres.store import PostgresStore
from oakum.testing.conformance.bench import Bench

SOURCE = """
app = Oakum({url!r})

@app.task(result_ttl="1h")
def note(number):
    mark(number)
"""


@pytest.fixture
def pooled(pgbouncer_store_url: str, clock: FakeClock) -> Iterator[Bench]:
    bench = Bench(lambda: PostgresStore(pgbouncer_store_url), clock)
    yield bench
    bench.close()


def test_it_is_known_and_told(pooled: Bench) -> None:
    assert pooled.store.durability.endswith("behind a pooler, where nobody can LISTEN: workers poll")


def test_no_statement_is_compiled_and_none_runs_for_ever(pooled: Bench) -> None:
    """What a session of Oakum's own would have set is set in each transaction, and nothing is left behind in the server's session."""
    for ask in (pooled.store._connection.once, pooled.store._connection.write):
        shown = ask(lambda db: db.one("SELECT current_setting('jit'), current_setting('statement_timeout')"))
        assert shown == ("off", "1min")
    left = pooled.store._connection.alone(lambda db: db.one("SELECT current_setting('statement_timeout')"))
    assert left == ("0",)


def test_the_care_of_it_leaves_nothing_behind_either(pooled: Bench, pgbouncer_store_url: str) -> None:
    pooled.plain(1)
    with closing(open_care(pgbouncer_store_url, lambda step: None)) as care:
        assert not [finding for look in care.looks() for finding in look.findings]
        care.compact()
    limit = "SELECT source FROM pg_settings WHERE name = 'statement_timeout'"
    assert pooled.store._connection.alone(lambda db: db.one(limit)) != ("session",)


def test_nobody_listens(pooled: Bench) -> None:
    bell = pooled.another().listen("work")
    bell.drain()
    pooled.plain(1)
    assert not bell.wait(0)


def test_a_worker_polls_and_runs_everything(tmp_path: Path, pgbouncer_store_url: str) -> None:
    shop = Workshop(tmp_path, SOURCE.format(url=pgbouncer_store_url))
    try:
        worker = shop.worker()
        shop.until(lambda: any(holder.report for holder in shop.app.store.holders()))
        shop.app.enqueue_many(shop.tasks.note.job(number) for number in range(200))
        shop.until(lambda: len(shop.marks()) == 200)
        assert sorted(map(int, shop.marks())) == list(range(200))
        command = [sys.executable, "-m", "oakum", "status", "--store", pgbouncer_store_url]
        assert "workers poll" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert worker.poll() is None
    finally:
        shop.close()
