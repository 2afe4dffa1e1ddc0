"""Jobs within a caller's transaction: there if and only if he commits."""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from oakum import Oakum
from oakum.errors import DuplicateJob, NotEnqueued, QueueFull, StoreError, StoreMoved, UsageError
from oakum.model.bounds import Rules
from oakum.model.job import NewJob, State, Unique
from oakum.model.outcome import Completed
from oakum.store.moving import Notice
from oakum.store.postgres import notice


@pytest.fixture
def app(postgres_store_url):
    app = Oakum(postgres_store_url)
    yield app
    app.close()


@pytest.fixture
def send(app):
    @app.task
    def send(to: str) -> None: ...

    return send


@pytest.fixture
def mine(postgres_store_url):
    with psycopg.connect(postgres_store_url.partition("?")[0]) as connection:
        yield connection


@pytest.fixture
def yours(postgres_store_url):
    with psycopg.connect(postgres_store_url.partition("?")[0]) as connection:
        yield connection


def test_a_store_is_not_shut_over_a_transaction_that_has_put_a_job_in(bench, send, mine, monkeypatch):
    monkeypatch.setattr(notice, "PATIENCE", "100ms")
    mine.execute("SELECT 1")
    send.using(connection=mine).enqueue("a@b")
    with pytest.raises(StoreError, match=r"a transaction that has put a job in stays open.*nothing was changed"):
        bench.store.moving.shut(Notice("leaving", "elsewhere"))
    mine.commit()
    assert bench.counts() == {State.AVAILABLE: 1}
    bench.store.moving.shut(Notice("leaving", "elsewhere"))
    mine.execute("SELECT 1")
    with pytest.raises(StoreMoved, match="being moved to elsewhere"):
        send.using(connection=mine).enqueue("a@b")


def test_a_job_is_there_once_the_caller_commits(bench, send, mine):
    mine.execute("SELECT 1")
    job = send.using(connection=mine).enqueue("a@b")
    assert bench.counts() == {}
    mine.commit()
    assert bench.counts() == {State.AVAILABLE: 1}
    assert job.state == "available"


def test_a_job_is_not_there_when_the_caller_rolls_back(bench, send, mine):
    send.using(connection=mine).enqueue("a@b")
    mine.rollback()
    assert bench.counts() == {}


def test_autocommit_needs_a_transaction(bench, send, mine):
    mine.autocommit = True
    with pytest.raises(UsageError, match="no transaction has begun"):
        send.using(connection=mine).enqueue("a@b")
    with mine.transaction():
        send.using(connection=mine).enqueue("a@b")
    assert bench.counts() == {State.AVAILABLE: 1}


def test_sqlalchemy_sessions_and_connections(bench, send, postgres_store_url):
    address = postgres_store_url.partition("?")[0].replace("postgresql", "postgresql+psycopg")
    engine = sqlalchemy.create_engine(address)
    with Session(engine) as session:
        send.using(connection=session).enqueue("a@b")
        session.rollback()
        send.using(connection=session).enqueue("a@b")
        assert bench.counts() == {}
        session.commit()
        assert bench.counts() == {State.AVAILABLE: 1}
    with engine.connect() as connection:
        send.using(connection=connection).enqueue("a@b")
        connection.commit()
    assert bench.counts() == {State.AVAILABLE: 2}
    engine.dispose()


DJANGO = """
import sys
from urllib.parse import urlsplit
from django.conf import settings
url = sys.argv[1]
parts = urlsplit(url)
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "USER": parts.username,
    "HOST": parts.hostname, "PORT": parts.port,
}})
from django.db import connection, transaction
from oakum import Oakum
from oakum.errors import UsageError
app = Oakum(url)
send = app.task(name="send")(lambda to: None)
try:
    send.using(connection=connection).enqueue("a@b")
except UsageError as error:
    print(error)
with transaction.atomic():
    send.using(connection=connection).enqueue("a@b")
    transaction.set_rollback(True)
print(sum(count.jobs for count in app.store.counts()))
with transaction.atomic():
    send.using(connection=connection).enqueue("a@b")
print(sum(count.jobs for count in app.store.counts()))
connection.close()
app.close()
"""


def test_django(bench, postgres_store_url):
    """In a process of its own: Django is set up once for a whole process."""
    command = [sys.executable, "-c", DJANGO, postgres_store_url]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines() == [
        "using(connection=...): Django is in autocommit mode; put transaction.atomic() around", "0", "1",
    ]  # fmt: skip


def test_a_workers_bell_rings_with_the_commit(bench, send, mine):
    bell = bench.another().listen("work")
    while bell.wait(0.06):
        pass
    send.using(connection=mine).enqueue("a@b")
    assert not bell.wait(0)
    mine.commit()
    assert bell.wait(30)


def test_a_full_queue_refuses_and_the_transaction_goes_on(bench, send, mine):
    bench.store.declare("queue", {"default": Rules(max_jobs=1)})
    bench.plain(1)
    with pytest.raises(QueueFull):
        send.using(connection=mine).enqueue("a@b")
    mine.execute("SELECT 1")  # it is not broken
    bench.end(worker := bench.worker(), bench.claim_one(worker), Completed())
    send.using(connection=mine).enqueue("a@b")
    mine.commit()
    assert bench.counts() == {State.COMPLETED: 1, State.AVAILABLE: 1}


def test_an_open_transaction_keeps_nobody_out_of_a_bounded_queue(bench, send, mine):
    bench.store.declare("queue", {"default": Rules(max_jobs=5)})
    send.using(connection=mine).enqueue("a@b")
    bench.plain(1)
    assert bench.counts() == {State.AVAILABLE: 1}


def test_open_transactions_do_not_pass_a_bound_together(bench, send, mine, yours):
    bench.store.declare("queue", {"default": Rules(max_jobs=5)})
    for connection in (mine, yours, mine, yours):
        send.using(connection=connection).enqueue("a@b")
    bench.plain(1)
    for connection in (mine, yours):
        with pytest.raises(QueueFull) as full:
            send.using(connection=connection).enqueue("a@b")
        assert (full.value.jobs, full.value.max_jobs) == (5, 5)
    bench.refused(QueueFull, *bench.jobs(1))
    mine.commit()
    yours.rollback()
    assert bench.counts() == {State.AVAILABLE: 3}
    bench.plain(2)
    bench.refused(QueueFull, *bench.jobs(1))


def test_an_open_transaction_drops_what_is_too_much(bench, send, mine, yours):
    bench.store.declare("queue", {"default": Rules(max_jobs=3, on_full="drop_oldest")})
    bench.plain(2)
    for connection in (mine, yours, mine):
        send.using(connection=connection).enqueue("a@b")
    mine.commit()
    yours.commit()
    assert bench.counts()[State.AVAILABLE] <= 3


def test_a_full_store_refuses(bench, send, mine):
    bench.plain(1)
    bench.store.declare("store", {"": Rules(max_bytes=1)})
    with pytest.raises(NotEnqueued, match=r"on the caller's connection: .* raise max_store"):
        send.using(connection=mine).enqueue("a@b")


def test_keys_count(bench, mine):
    store, now = bench.store, bench.now
    one, two = (NewJob(bench.id(), "t", b"", unique=Unique(b"k", "reject")) for _ in range(2))
    assert store.insert_within(mine, [one], now) == []
    mine.commit()
    with pytest.raises(DuplicateJob):
        store.insert_within(mine, [two], now)


def test_what_is_no_connection_is_told(send):
    with pytest.raises(UsageError, match=r"builtins\.str is not a connection of psycopg 3"):
        send.using(connection="postgresql://").enqueue("a@b")


def test_another_database_is_told(send, server):
    with psycopg.connect(server.url) as other, pytest.raises(UsageError, match="another database than the store"):
        send.using(connection=other).enqueue("a@b")
