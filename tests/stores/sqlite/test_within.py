"""Jobs within a caller's transaction on the store's file: there if and only if he commits."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing

import apsw
import pytest

from oakum import Oakum
from oakum.errors import NotEnqueued, QueueFull, UsageError
from oakum.model.bounds import Rules
from oakum.model.job import State
from oakum.store.open import open_store
from oakum.store.sqlite import connection, log, within
from oakum.testing.conformance.bench import Bench


@pytest.fixture(params=["apsw", "sqlite3"])
def library(request):
    return request.param


@pytest.fixture
def url(library, path):
    return f"sqlite:///{path}?library={library}"


@pytest.fixture
def connect(library):
    """A caller's connection, of the library that his process has."""
    return apsw.Connection if library == "apsw" else lambda path: sqlite3.connect(path, isolation_level=None)


@pytest.fixture
def bench(url, clock):
    bench = Bench(lambda: open_store(url), clock)
    yield bench
    bench.close()


@pytest.fixture
def send(bench, url):
    app = Oakum(url)

    @app.task
    def send(to: str) -> None: ...

    yield send
    app.close()


@pytest.fixture
def mine(bench, connect, path):
    assert bench.counts() == {}  # the file is there
    connection = connect(path)
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


def test_a_job_is_not_there_when_the_caller_undoes_the_part_that_it_was_in(bench, send, mine):
    mine.execute("BEGIN IMMEDIATE")
    send.using(connection=mine).enqueue("a@b")
    mine.execute("SAVEPOINT part")
    send.using(connection=mine).enqueue("c@d")
    mine.execute("ROLLBACK TO part")
    mine.execute("COMMIT")
    assert bench.counts() == {State.AVAILABLE: 1}


def test_a_caller_in_a_transaction_does_not_wait_for_a_thread_that_waits_for_its_end(bench, send, mine):
    send.enqueue("a@b")
    mine.execute("BEGIN IMMEDIATE")
    other = threading.Thread(target=send.enqueue, args=["c@d"])
    other.start()
    lock, deadline = send._desk.store._connection._lock, time.monotonic() + 60
    while lock.acquire(blocking=False):  # until it is the other's, who keeps it until he has his turn to write
        lock.release()
        assert time.monotonic() < deadline
    send.using(connection=mine).enqueue("e@f")
    mine.execute("COMMIT")
    other.join()
    assert bench.counts() == {State.AVAILABLE: 3}


def test_a_long_log_is_copied_when_the_callers_transaction_has_ended(bench, send, mine, path, monkeypatch):
    for module in (log, connection, within):
        monkeypatch.setattr(module, "LOG_LIMIT", 200_000)
    store, threads, longest = send._desk.store, set(), 0
    for _ in range(100):
        mine.execute("BEGIN IMMEDIATE")
        send.using(connection=mine).enqueue("a@b")
        mine.execute("COMMIT")
        thread = store._connection._shortening
        if thread.ident is not None:
            threads.add(thread)
            thread.join()
        longest = max(longest, os.path.getsize(f"{path}-wal"))
    assert threads and longest < 400_000, "it is copied, and begun anew"
    assert bench.counts() == {State.AVAILABLE: 100}


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


def test_a_disk_that_is_full_is_told_even_where_sqlite_undoes_the_whole_transaction(send, mine):
    mine.execute("BEGIN IMMEDIATE")
    mine.execute("PRAGMA max_page_count = 1")  # as many as there are
    with pytest.raises(NotEnqueued, match=r"on the caller's connection: .*full"):
        for _ in range(10_000):
            send.using(connection=mine).enqueue("a@b" * 100)


def test_a_connection_needs_a_transaction(send, mine):
    with pytest.raises(UsageError, match="execute BEGIN IMMEDIATE first"):
        send.using(connection=mine).enqueue("a@b")


def test_another_file_is_told(send, mine, connect, tmp_path):
    with closing(connect(str(tmp_path / "other.db"))) as other:
        other.execute("BEGIN")
        with pytest.raises(UsageError, match=r"connected to .*, the store is"):
            send.using(connection=other).enqueue("a@b")


def test_a_closed_connection_is_told(send, mine, connect, path):
    other = connect(path)
    other.close()
    with pytest.raises(NotEnqueued, match=r"on the caller's connection: .*closed"):
        send.using(connection=other).enqueue("a@b")


def test_another_library_is_refused_with_the_remedy_before_the_file_is_touched(library, tmp_path):
    app = Oakum(f"sqlite:///{tmp_path}/new.db?library={library}")
    send = app.task(name="send")(lambda to: None)
    stranger, remedy = {
        "apsw": (sqlite3.connect, "for those of sqlite3, end the store's URL with \\?library=sqlite3"),
        "sqlite3": (apsw.Connection, "for those of apsw, leave \\?library=sqlite3 out of the store's URL"),
    }[library]
    with (
        closing(stranger(":memory:")) as other,
        pytest.raises(UsageError, match=f"two SQLite libraries in one process.*; {remedy}"),
    ):
        send.using(connection=other).enqueue("a@b")
    assert os.listdir(tmp_path) == []


def test_memory_has_none():
    app = Oakum("memory://")

    @app.task
    def send(to: str) -> None: ...

    with pytest.raises(UsageError, match="no transactions to share"):
        send.using(connection=object()).enqueue("a@b")
