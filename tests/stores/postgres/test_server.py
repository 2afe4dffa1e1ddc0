"""What a server does to its clients: restarts, cut lines, other versions; and what the store makes of it."""

from __future__ import annotations

import os
import threading
from contextlib import closing

import psycopg
import pytest
from tests.support.postgres import new_schema

from oakum.clock import FakeClock
from oakum.errors import EnqueueUnknown, NotAStore, NotEnqueued, StoreError, StoreTooNew, UsageError
from oakum.model.job import NewJob, State
from oakum.store.open import open_store
from oakum.store.postgres.address import read_address
from oakum.store.postgres.store import PostgresStore
from oakum.testing.conformance.bench import Bench


@pytest.fixture
def fragile(server):
    """A bench on the server that may be killed."""
    with new_schema(server.url) as url:
        bench = Bench(lambda: PostgresStore(url), FakeClock())
        yield bench
        bench.close()


def test_cut_lines_are_told_and_the_next_call_opens_a_new_one(fragile, server):
    fragile.plain(1)
    assert server.cut() >= 1
    with pytest.raises(StoreError, match=r"the connection broke .* the next call opens a new one"):
        fragile.store.counts()
    assert fragile.counts() == {State.AVAILABLE: 1}


def test_an_insert_looks_for_itself_what_became_of_it(fragile, server):
    fragile.plain(1)
    assert server.cut() >= 1
    assert fragile.insert(NewJob(fragile.id(), "t", b"")) == []
    assert fragile.counts() == {State.AVAILABLE: 2}


def test_a_cut_after_the_commit_leaves_one_job(fragile, server, monkeypatch):
    """The line breaks between the commit and its acknowledgement: the jobs are in, and asking again finds them."""
    fragile.plain(1)
    db = fragile.store._connection._db
    run, cut = db.run, []

    def run_and_break(text, values=()):
        found = run(text, values)
        if "INSERT INTO oakum.job" in text:
            cut.append(server.cut())
            db._cursor.execute("SELECT 1")  # hears of it
        return found

    monkeypatch.setattr(db, "run", run_and_break)
    assert fragile.insert(NewJob(fragile.id(), "t", b"")) == []
    assert cut and cut[0] >= 1
    assert fragile.counts() == {State.AVAILABLE: 2}


def test_jobs_of_a_claim_without_an_answer_are_handed_out_by_the_next(fragile, server, monkeypatch):
    known, lost = fragile.plain(2)
    worker = fragile.worker()
    assert [job.id for job in fragile.claim(worker, limit=1)] == [known.id]
    db = fragile.store._connection._db
    run, cut = db.run, []

    def run_and_break(text, values=()):
        found = run(text, values)
        if "taken AS" in text:
            cut.append(server.cut())
            db._cursor.execute("SELECT 1")
        return found

    monkeypatch.setattr(db, "run", run_and_break)
    with pytest.raises(StoreError, match="the connection broke"):
        fragile.claim(worker)
    assert cut
    assert [job.id for job in fragile.claim(worker)] == [lost.id]
    assert fragile.claim(worker) == []


def test_what_cannot_be_known_is_told(fragile, server, monkeypatch):
    """The server goes down after the commit and does not come back in time."""
    fragile.plain(1)
    db = fragile.store._connection._db
    run, job = db.run, NewJob(fragile.id(), "t", b"")

    def run_and_stop(text, values=()):
        found = run(text, values)
        if "INSERT INTO oakum.job" in text:
            server.stop("fast")
            db._cursor.execute("SELECT 1")
        return found

    monkeypatch.setattr(db, "run", run_and_stop)
    try:
        with pytest.raises(EnqueueUnknown, match="enqueue it again with the same id"):
            fragile.insert(job)
        with pytest.raises(NotEnqueued, match="cannot reach the server"):
            fragile.insert(job)
    finally:
        server.start()
    assert fragile.insert(job) == []
    assert fragile.counts() == {State.AVAILABLE: 2}


def test_bells_go_on_after_a_restart(fragile, server):
    fragile.plain(1)
    bell = fragile.another().listen("work")
    before = bell.fileno()
    server.stop("immediate")
    server.start()
    with pytest.raises(StoreError):
        fragile.store.counts()
    while bell.wait(0.2):  # for nothing, since something may have been missed
        pass
    fragile.plain(1)
    assert bell.wait(30)
    assert bell.fileno() == before


def test_settled_is_settled_after_a_crash(fragile, server):
    fragile.plain(3)
    worker = fragile.worker()
    jobs = fragile.claim(worker)
    server.stop("immediate")
    server.start()
    with pytest.raises(StoreError):
        fragile.store.holders()
    assert [job.ref for job in fragile.store.held(worker, 9)] == [job.ref for job in jobs]


def test_many_processes_make_one_schema(server):
    with psycopg.connect(server.url, autocommit=True) as connection:
        url = f"{server.url}?schema=made_by_many"
        found = []
        threads = [threading.Thread(target=lambda: found.append(first_counts(url))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [[]] * 6
        connection.execute("DROP SCHEMA made_by_many CASCADE")


def first_counts(url):
    with closing(PostgresStore(url)) as store:
        return list(store.counts())


def test_a_newer_schema_is_refused(postgres_url):
    with new_schema(postgres_url) as url, psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'UPDATE "{read_address(url).schema}".schema SET version = 99')
        with pytest.raises(StoreTooNew, match="schema 99 was written by a newer Oakum"):
            PostgresStore(url).counts()


def test_somebody_elses_schema_is_refused(postgres_url):
    schema = f"theirs_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.job(id integer)")
        with pytest.raises(NotAStore, match="not by Oakum"):
            PostgresStore(f"{postgres_url}?schema={schema}").counts()
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def test_to_look_makes_nothing(postgres_url):
    with pytest.raises(UsageError, match="a first job makes it"):
        open_store(f"{postgres_url}?schema=never_made", must_exist=True)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regnamespace('never_made')").fetchone() == (None,)


@pytest.mark.parametrize(
    "url", ["postgresql://h/d?schema=Robert'); DROP", "postgresql://h/d?schema=pg_x", "postgresql://h/d?no=1"]
)
def test_a_url_that_is_none(url):
    with pytest.raises(UsageError):
        PostgresStore(url)


def test_a_password_is_never_shown():
    address = read_address("postgresql://me:secret@host:1/db?schema=s")
    assert address.shown == "postgresql://me@host:1/db?schema=s"
    with pytest.raises(StoreError) as error:
        PostgresStore("postgresql://me:secret@127.0.0.1:1/db").counts()
    assert "secret" not in str(error.value)


def test_the_count_is_folded(bench):
    for _ in range(3):
        bench.plain(2)
    before = bench.counts()
    bench.store._connection.once(lambda db: db.run("SELECT 1"))
    from oakum.store.postgres import tally

    bench.store._connection.once(tally.fold)
    left = bench.store._connection.once(lambda db: db.one("SELECT count(*) FROM oakum.delta")[0])
    assert (left, bench.counts()) == (0, before)
