"""A store of an older version becomes a present one, once, whoever comes first; an older Oakum leaves a newer one alone.

There is but one version yet. A newer Oakum is this one with one step more in its schema.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import apsw
import psycopg
import pytest
from redis import Redis
from tests.support.postgres import new_schema

from oakum.clock import FakeClock
from oakum.errors import StoreTooNew
from oakum.model.job import State
from oakum.model.outcome import Completed
from oakum.store.base import Store
from oakum.store.open import open_care, open_store
from oakum.store.postgres import schema as postgres_schema
from oakum.store.redis import schema as redis_schema
from oakum.store.sqlite import schema as sqlite_schema
from oakum.testing.conformance.bench import Bench

SECONDS = 60
SCHEMAS = {"sqlite": sqlite_schema, "postgres": postgres_schema, "redis": redis_schema}
STEPS = {
    "sqlite": "ALTER TABLE job ADD COLUMN extra integer; CREATE INDEX job_extra ON job(extra)",
    "postgres": "ALTER TABLE oakum.job ADD COLUMN extra integer; CREATE INDEX job_extra ON oakum.job(extra)",
    "redis": redis_schema.Step(
        """
        local pages = call('ZRANGEBYLEX', P .. 'pages', cursor and '(' .. cursor or '-', '+', 'LIMIT', 0, 1)
        many('RPUSH', P .. 'extra', pages)
        return go_on(pages[1])
        """,
        ends=True,
    ),
}
UPGRADE = """
import sys
from oakum.store.open import open_store
from oakum.store.{kind} import schema
Step = getattr(schema, "Step", None)
schema.VERSION += 1
schema._STEPS += ({step!r},)
store = open_store(sys.argv[1])
sys.stdin.readline()  # until all are here
print(sum(count.jobs for count in store.counts()), flush=True)
store.close()
"""


@pytest.fixture(params=list(SCHEMAS))
def kind(request) -> str:
    return request.param


@pytest.fixture
def url(kind, request, tmp_path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/work.db"
    elif kind == "redis":
        yield request.getfixturevalue("redis_store_url")
    else:
        with new_schema(request.getfixturevalue("postgres_url")) as url:
            yield url


@pytest.fixture
def bench(url: str, clock: FakeClock) -> Iterator[Bench]:
    """A user of the old version, who has some jobs there."""
    bench = Bench(lambda: open_store(url), clock)
    bench.plain(10)
    worker = bench.worker()
    for job in bench.claim(worker, limit=3):
        bench.end(worker, job, Completed())
    yield bench
    bench.close()


@pytest.fixture
def newer(kind, url, bench, monkeypatch) -> Callable[[], Store]:
    """Opens the store as the next version of Oakum would; this one is then the next."""

    def newer() -> Store:
        module = SCHEMAS[kind]
        monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
        monkeypatch.setattr(module, "_STEPS", (*module._STEPS, STEPS[kind]))
        return open_store(url)

    return newer


def version(url: str) -> tuple[int, int]:
    """The version that is written there, and how many columns are new; on Redis, how many pages were seen to."""
    if url.startswith("sqlite"):
        with closing(apsw.Connection(url.removeprefix("sqlite:///"))) as db:
            columns = db.execute("SELECT name FROM pragma_table_info('job')").fetchall()
            return db.pragma("user_version"), columns.count(("extra",))
    if url.startswith("redis"):
        server, _, prefix = url.partition("?prefix=")
        with Redis.from_url(server) as client:
            return int(client.hget(f"{{{prefix}}}:meta", "version")), client.llen(f"{{{prefix}}}:extra")
    server, _, schema = url.partition("?schema=")
    with psycopg.connect(server, autocommit=True) as connection:
        (number,) = connection.execute(f'SELECT version FROM "{schema}".schema').fetchone()
        (columns,) = connection.execute(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = %s AND column_name = 'extra'",
            [schema],
        ).fetchone()
        return number, columns


def test_an_older_store_becomes_a_present_one_and_keeps_everything(bench, newer, url):
    before = version(url)
    store = newer()
    with closing(open_care(url, lambda step: None)) as care:
        assert care.survey().version == before[0]  # to look changes nothing
    assert version(url) == before
    with closing(store):
        counts = {count.state: count.jobs for count in store.counts()}
    assert version(url) == (before[0] + 1, 1)
    assert counts == {State.COMPLETED: 3, State.AVAILABLE: 7}


def test_of_many_processes_that_upgrade_at_once_one_does(bench, url, kind):
    bench.store.close()
    before = version(url)
    code = UPGRADE.format(kind=kind, step=STEPS[kind])
    upgraders = [
        subprocess.Popen(
            [sys.executable, "-c", code, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [upgrader.communicate("\n", timeout=SECONDS) for upgrader in upgraders]
    assert [(said.strip(), complaint) for said, complaint in answers] == [("10", "")] * 4
    assert version(url) == (before[0] + 1, 1)


def test_an_older_oakum_leaves_a_newer_store_alone(bench, newer, url, monkeypatch):
    newer().counts()
    after = version(url)
    monkeypatch.undo()  # this is the older one again
    with (
        closing(open_store(url)) as store,
        pytest.raises(StoreTooNew, match=r"written by a newer Oakum.*upgrade Oakum here"),
    ):
        store.counts()
    with (
        closing(open_care(url, lambda step: None, must_exist=False)) as care,
        pytest.raises(StoreTooNew, match="upgrade Oakum here"),
    ):
        care.survey()
    assert version(url) == after


def test_an_older_oakum_that_runs_takes_and_puts_in_nothing_more_once_the_store_is_newer(bench, newer, monkeypatch):
    worker = bench.worker()
    (running,) = bench.claim(worker, limit=1)
    newer().counts()
    monkeypatch.undo()
    with pytest.raises(StoreTooNew, match="written by a newer Oakum"):
        bench.claim(worker)
    with pytest.raises(StoreTooNew, match="written by a newer Oakum"):
        bench.store.cancel([running.id], bench.now)
    with pytest.raises(Exception, match="written by a newer Oakum"):
        bench.plain(1)
    assert bench.settle(worker, bench.judge(running, Completed())) == []  # what it has begun it may end
