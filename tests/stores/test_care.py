"""The care of a store: what is not sound is found, and the remedy that is named helps; copies are whole; room comes back."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import apsw
import psycopg
import pytest
from redis import Redis
from tests.support.redis import RedisServer

from oakum.clock import FakeClock
from oakum.errors import CannotRun, StoreError, StoreMoved, UsageError
from oakum.inspector.move import open_move
from oakum.model.job import JobQuery, State
from oakum.model.outcome import Completed
from oakum.model.task import TaskSpec
from oakum.store.care import Finding, Look, Step, Survey
from oakum.store.moving import Notice
from oakum.store.open import open_care, open_store
from oakum.store.sqlite import backup as sqlite_backup
from oakum.store.sqlite import care as sqlite_care
from oakum.store.sqlite.schema import VERSION as SQLITE_VERSION
from oakum.testing.conformance.bench import Bench

GONE_SOON = TaskSpec("t", result_ttl_s=0.0)
STORES = ["sqlite", "postgres", "redis"]


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path) -> str:
    return f"sqlite:///{tmp_path}/work.db" if kind == "sqlite" else request.getfixturevalue(f"{kind}_store_url")


@pytest.fixture
def bench(url: str, clock: FakeClock) -> Iterator[Bench]:
    bench = Bench(lambda: open_store(url), clock)
    bench.store.counts()
    yield bench
    bench.close()


@pytest.fixture
def steps() -> list[Step]:
    return []


@pytest.fixture
def look(url: str, steps: list[Step]) -> Callable[[], dict[str, Look]]:
    """Checks the store; what was looked at, by name."""

    def look(where: str = url) -> dict[str, Look]:
        with closing(open_care(where, steps.append)) as care:
            return {each.what: each for each in care.looks()}

    return look


@pytest.fixture
def survey() -> Callable[[str], Survey]:
    """Looks at a store from outside, be it there or not."""

    def survey(where: str) -> Survey:
        with closing(open_care(where, lambda step: None, must_exist=False)) as care:
            return care.survey()

    return survey


def findings(looks: dict[str, Look]) -> list[Finding]:
    return [finding for look in looks.values() for finding in look.findings]


def spoil(url: str, sql: str) -> None:
    """Changes tables behind the store's back."""
    if url.startswith("sqlite"):
        with closing(apsw.Connection(url.removeprefix("sqlite:///"))) as db:
            db.execute(sql.replace("oakum.", ""))
    else:
        server, _, schema = url.partition("?schema=")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.replace("oakum.", f'"{schema}".'))


def redis_of(url: str) -> tuple[Redis, str]:
    server, _, prefix = url.partition("?prefix=")
    return Redis.from_url(server), f"{{{prefix}}}:"


def work(bench: Bench, jobs: int = 10, spec: TaskSpec | None = None) -> None:
    """Some jobs that ended, some that wait."""
    bench.plain(jobs)
    worker = bench.worker()
    for job in bench.claim(worker, limit=jobs // 2):
        bench.end(worker, job, Completed(b"value"), spec)


@pytest.mark.parametrize("kind", [*STORES, "pgbouncer"])
def test_a_store_that_was_used_is_sound(bench, look):
    work(bench)
    first, second = bench.jobs(2)
    bench.insert(*(type(job)(job.id, "t", b"", "mail", key="k") for job in (first, second)))
    looks = look()
    assert findings(looks) == []
    assert {"open", "counts", "leases"} <= looks.keys()
    assert not any(each.note for each in looks.values())


@pytest.mark.parametrize("kind", [*STORES, "pgbouncer"])
def test_a_store_is_surveyed_and_none_is_made_by_looking(bench, kind, url, survey, tmp_path):
    version = SQLITE_VERSION if kind == "sqlite" else 1
    assert survey(url) == Survey(version, bench.store.durability)
    names = os.listdir(tmp_path)
    for _ in range(2):
        assert survey(f"{url}x") == Survey(None, bench.store.durability)
    assert os.listdir(tmp_path) == names


@pytest.mark.parametrize("kind", STORES)
def test_a_store_that_is_shut_is_told(bench, look, url, survey):
    bench.store.moving.shut(Notice("leaving", "elsewhere"))
    with pytest.raises(StoreMoved, match="is being moved to elsewhere"):
        survey(url)
    assert [each.message for each in look()["open"].findings] == ["shut: being moved to elsewhere"]


@pytest.mark.parametrize("kind", STORES)
def test_wrong_counts_are_told_and_a_move_counts_anew(bench, look, url, kind, tmp_path, clock):
    work(bench)
    if kind == "redis":
        server, prefix = redis_of(url)
        with server:
            (field,) = [name for name in server.hkeys(prefix + "jobs") if name.endswith(b":0")]
            server.hincrby(prefix + "jobs", field, 3)
    else:
        spoil(url, "INSERT INTO oakum.tally SELECT queue, task, 8, 3, 3 FROM oakum.job LIMIT 1")
    (finding,) = look()["counts"].findings
    assert "queue default, task t: counts" in finding.message
    assert "oakum store move" in finding.remedy
    new = f"sqlite:///{tmp_path}/new.db"
    with open_move(url, new, clock, lambda step: None) as move:
        assert move.run().jobs == 10
    assert findings(look(new)) == []


@pytest.mark.parametrize("kind", STORES)
def test_jobs_that_run_for_nobody_are_told(bench, look, url, kind):
    bench.plain(2)
    worker = bench.worker()
    bench.claim(worker)
    assert findings(look()) == []
    if kind == "redis":
        server, prefix = redis_of(url)
        with server:
            server.delete(f"{prefix}holder:{worker}")
    else:
        spoil(url, "DELETE FROM oakum.holder")
    assert [each.message for each in look()["leases"].findings] == [
        "2 jobs run for a worker that the store does not know"
    ]


@pytest.mark.parametrize("kind", STORES)
def test_jobs_held_behind_nobody_are_told_and_the_remedy_lets_them_in(bench, look, url, kind):
    first, second = bench.jobs(2)
    bench.insert(*(type(job)(job.id, "t", b"", "mail", key="k") for job in (first, second)))
    assert findings(look()) == []
    if kind == "redis":
        server, prefix = redis_of(url)
        with server:
            (places,) = server.keys(prefix + "placed:*")
            server.delete(places)
        held = 1
    else:
        spoil(url, "UPDATE oakum.job SET state = 3, placed = NOT placed WHERE placed")
        held = 2
    (finding,) = look()["keys"].findings
    assert finding.message == f"queue mail, key k: {held} jobs are held although the key is free"
    assert finding.remedy == "the end of the next job with that key lets them in: enqueue one"
    bench.insert(type(first)(bench.id(), "t", b"", "mail", key="k"))
    worker = bench.worker()
    while taken := bench.claim(worker, queues=("mail",)):
        for job in taken:
            bench.end(worker, job, Completed())
    assert look()["keys"].findings == ()
    assert bench.counts().keys() - {State.AVAILABLE} == {State.COMPLETED}


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_damaged_page_is_told(bench, look, url):
    bench.plain(2000)
    bench.close()
    with open(url.removeprefix("sqlite:///"), "r+b") as file:
        file.seek(60 * 4096)  # behind the first pages of all tables
        file.write(b"\xff" * 4096)
    found = look()["pages and indexes"].findings
    assert found
    assert "the file is damaged" in found[0].message
    assert found[0].remedy == "restore the last backup"


@pytest.mark.parametrize("kind", ["postgres"])
def test_an_index_that_is_not_used_is_told(bench, look, url):
    schema = url.partition("?schema=")[2]
    spoil(url, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{schema}.job_due'::regclass")
    try:
        (finding,) = look()["indexes"].findings
    finally:
        spoil(url, f"UPDATE pg_index SET indisvalid = true WHERE indexrelid = '{schema}.job_due'::regclass")
    assert finding.remedy == f"REINDEX INDEX CONCURRENTLY {schema}.job_due"


def test_a_server_that_may_forget_jobs_is_told(tmp_path, clock, survey):
    with RedisServer(
        tmp_path, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"
    ) as server:
        url = f"{server.url}?allow_lossy=true"
        with closing(Bench(lambda: open_store(url), clock)) as bench:
            bench.plain(1)
        with closing(open_care(url, lambda step: None)) as care:
            looks = {each.what: each for each in care.looks()}
        assert survey(url).findings == (*looks["persistence"].findings, *looks["memory"].findings)
        with pytest.raises(StoreError, match="without an append-only file a crash loses jobs"):
            survey(server.url)
    (lossy,) = looks["persistence"].findings
    assert "CONFIG SET appendonly yes" in lossy.remedy
    policy, *_ = looks["memory"].findings
    assert "maxmemory-policy is allkeys-lru" in policy.message


# -- copies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_copy_is_of_one_moment_although_others_write(bench, url, steps, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_backup, "_PAGES_AT_ONCE", 5)
    bench.plain(30_000)
    done = threading.Event()
    writer = Bench(lambda: open_store(url), bench.clock)

    def write() -> None:
        while not done.is_set():
            writer.plain(3)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with closing(open_care(url, steps.append)) as care:
            size = care.backup(str(tmp_path / "copy.db"))
    finally:
        done.set()
        thread.join()
    assert bench.counts()[State.AVAILABLE] > 30_000
    assert len(steps) > 100
    assert steps[-1].done == steps[-1].total
    kept = os.stat(tmp_path / "copy.db")
    assert (kept.st_size, stat.S_IMODE(kept.st_mode)) == (size, 0o600)
    assert sorted(name for name in os.listdir(tmp_path) if "copy" in name) == ["copy.db"]
    with closing(Bench(lambda: open_store(f"sqlite:///{tmp_path}/copy.db"), bench.clock)) as copy:
        assert copy.counts()[State.AVAILABLE] % 3 == 0
        assert copy.counts()[State.AVAILABLE] >= 30_000
        copy.plain(1)
    writer.close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_file_that_is_there_is_not_written_over(bench, url, tmp_path):
    (tmp_path / "precious.db").write_text("precious")
    with closing(open_care(url, lambda step: None)) as care:
        with pytest.raises(UsageError, match="it is there already"):
            care.backup(str(tmp_path / "precious.db"))
        with pytest.raises(UsageError, match="No such file or directory; name a file in a directory"):
            care.backup(str(tmp_path / "none" / "copy.db"))
    assert (tmp_path / "precious.db").read_text() == "precious"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_no_copy_is_left_of_a_store_that_is_damaged(bench, url, tmp_path):
    bench.plain(2000)
    bench.close()
    with open(url.removeprefix("sqlite:///"), "r+b") as file:
        file.seek(60 * 4096)  # behind the first pages of all tables
        file.write(b"\xff" * 4096)
    with closing(open_care(url, lambda step: None)) as care, pytest.raises(StoreError, match="the copy is not sound"):
        care.backup(str(tmp_path / "copy.db"))
    assert not [name for name in os.listdir(tmp_path) if "copy" in name]


@pytest.mark.parametrize(
    ("kind", "tool"), [("postgres", "pg_dump --format=custom"), ("redis", "redis-cli -u redis://")]
)
def test_a_server_is_copied_by_its_own_tool(bench, url, tool):
    with closing(open_care(url, lambda step: None)) as care, pytest.raises(UsageError) as error:
        care.backup("here.dump")
    assert tool in str(error.value)
    assert "here.dump" in str(error.value)


# -- room --------------------------------------------------------------------------------------------------------------


def leave_little(bench: Bench, jobs: int = 20_000) -> None:
    """Many jobs come and go, and a few are left."""
    bench.plain(jobs)
    worker = bench.worker()
    while taken := bench.claim(worker, limit=1000):
        bench.settle(worker, *(bench.judge(job, Completed(), GONE_SOON) for job in taken))
        bench.store.prune(bench.now)
    bench.plain(100)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_file_becomes_smaller_and_the_second_time_by_steps(bench, url, steps, look):
    path = url.removeprefix("sqlite:///")
    for _ in range(2):
        leave_little(bench)
        with closing(open_care(url, steps.append)) as care:
            before, after = care.compact()
        assert after == os.stat(path).st_size < before / 3
        assert bench.counts() == {State.AVAILABLE: len(bench.store.jobs(JobQuery(limit=1000)).jobs)}
        assert findings(look()) == []
    assert {step.what for step in steps} == {"the file is written anew", "free pages are given back"}
    assert os.stat(f"{path}-wal").st_size < 4096 * 100


@pytest.mark.parametrize("kind", ["sqlite"])
def test_writers_do_not_wait_for_long_unasked(bench, url, monkeypatch):
    leave_little(bench, 2000)
    monkeypatch.setattr(sqlite_care, "_QUICK_BYTES", 4096)
    with closing(open_care(url, lambda step: None)) as care:
        with pytest.raises(CannotRun, match=r"all who write to it have to wait.*say --block"):
            care.compact()
        before, after = care.compact(block=True)
    assert after < before


@pytest.mark.parametrize("kind", ["redis"])
def test_pages_that_are_nearly_empty_are_put_together(bench, url, steps, look):
    jobs = bench.plain(3000)
    kept = [job.id for job in jobs[::10]]
    bench.store.cancel([job.id for job in jobs if job.id not in kept], bench.now)
    bench.clock.advance(30 * 86_400)
    while bench.store.prune(bench.now):
        pass
    server, prefix = redis_of(url)
    with server, closing(open_care(url, steps.append)) as care:
        before = server.zcard(prefix + "pages")
        care.compact()
        assert server.zcard(prefix + "pages") <= before / 5
    assert findings(look()) == []
    assert [view.id for view in bench.store.jobs(JobQuery(limit=1000)).jobs] == kept[::-1]
    assert len(bench.claim(bench.worker())) == 300


@pytest.mark.parametrize("kind", ["postgres", "pgbouncer"])
@pytest.mark.parametrize("block", [False, True])
def test_tables_are_vacuumed(bench, url, steps, block, look):
    leave_little(bench, 3000)
    with closing(open_care(url, steps.append)) as care:
        before, after = care.compact(block=block)
    assert 0 < after < before if block else after > 0
    assert steps[-1] == Step("tables are vacuumed", steps[-1].total, steps[-1].total)
    assert findings(look()) == []


def test_memory_needs_no_care():
    with pytest.raises(UsageError, match="is seen by the process that made it"):
        open_care("memory://", lambda step: None)
