"""Jobs within a caller's transaction on the store's file: there if and only if he commits."""

from __future__ import annotations

import sqlite3

import apsw
import pytest

from oakum import Oakum
from oakum.errors import NotEnqueued, QueueFull, UsageError
from oakum.model.bounds import Rules
from oakum.model.job import State


@pytest.fixture
def send(bench, path):
    app = Oakum(f"sqlite:///{path}")

    @app.task
    def send(to: str) -> None: ...

    yield send
    app.close()


@pytest.fixture
def mine(bench, path):
    assert bench.counts() == {}  # the file is there
    connection = apsw.Connection(path)
    connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY)")
    yield connection
    connection.close()


def test_a_job_is_there_once_the_caller_commits(bench, send, mine):
    mine.execute("BEGIN IMMEDIATE")
    mine.execute("INSERT INTO orders VALUES(1)")
    send.using(connection=mine).enqueue("a@b")
    assert bench.counts() == {}
    mine.execute("COMMIT")
    assert bench.counts() == {State.AVAILABLE: 1}


def test_a_job_is_not_there_when_the_caller_rolls_back(bench, send, mine):
    mine.execute("BEGIN IMMEDIATE")
    send.using(connection=mine).enqueue("a@b")
    mine.execute("ROLLBACK")
    assert bench.counts() == {}
    job = send.enqueue("a@b")  # a name that was undone is made anew
    assert job.state == "available"


def test_a_full_queue_refuses_at_once_and_the_transaction_goes_on(bench, send, mine):
    bench.store.declare("queue", {"default": Rules(max_jobs=1, on_full="block")})
    mine.execute("BEGIN IMMEDIATE")
    send.using(connection=mine).enqueue("a@b")
    with pytest.raises(QueueFull):
        send.using(connection=mine, block_for="1h").enqueue("a@b")
    mine.execute("COMMIT")
    assert bench.counts() == {State.AVAILABLE: 1}


def test_a_full_store_refuses(bench, send, mine):
    bench.plain(1)
    bench.store.declare("store", {"": Rules(max_bytes=1)})
    mine.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotEnqueued, match=r"on the caller's connection: .* raise max_store"):
        send.using(connection=mine).enqueue("a@b")


def test_a_connection_needs_a_transaction(send, mine):
    with pytest.raises(UsageError, match="execute BEGIN IMMEDIATE first"):
        send.using(connection=mine).enqueue("a@b")


def test_another_file_is_told(send, mine, tmp_path):
    other = apsw.Connection(str(tmp_path / "other.db"))
    other.execute("BEGIN")
    with pytest.raises(UsageError, match=r"connected to .*other\.db, the store is"):
        send.using(connection=other).enqueue("a@b")
    other.close()


def test_the_standard_librarys_sqlite_is_refused(send, mine):
    other = sqlite3.connect(":memory:")
    with pytest.raises(UsageError, match="two SQLite libraries in one process"):
        send.using(connection=other).enqueue("a@b")
    other.close()


def test_memory_has_none():
    app = Oakum("memory://")

    @app.task
    def send(to: str) -> None: ...

    with pytest.raises(UsageError, match="no transactions to share"):
        send.using(connection=object()).enqueue("a@b")
