"""A program whose connections are those of Python's sqlite3, and which opens the store with them, too."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from oakum import Oakum
from oakum.errors import NotEnqueued, UsageError
from oakum.model.job import State
from oakum.store.sqlite import connection, log, stdlib
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance.bench import Bench

SECONDS = 60


@pytest.fixture
def bench(path, clock):
    bench = Bench(lambda: SqliteStore(path, stdlib.Stdlib()), clock)
    assert bench.counts() == {}  # the file is there
    yield bench
    bench.close()


@pytest.fixture
def send(bench, path):
    app = Oakum(f"sqlite:///{path}?library=sqlite3")

    @app.task
    def send(to: str) -> None: ...

    yield send
    app.close()


@pytest.fixture
def mine(bench, path):
    """As the module makes them: a transaction begins by itself before a statement that writes."""
    with closing(sqlite3.connect(path, timeout=SECONDS, check_same_thread=False)) as connection:
        yield connection


def test_a_transaction_begins_by_itself_as_it_would_before_an_insert(bench, send, mine):
    with mine:
        send.using(connection=mine).enqueue("a@b")
        assert bench.counts() == {}
    assert bench.counts() == {State.AVAILABLE: 1}
    with pytest.raises(ZeroDivisionError), mine:
        send.using(connection=mine).enqueue("a@b")
        raise ZeroDivisionError
    assert bench.counts() == {State.AVAILABLE: 1}


def test_none_begins_where_the_module_would_begin_none(send, path):
    class Modern(sqlite3.Connection):
        autocommit = True  # as of Python 3.12

    for other in (sqlite3.connect(path, isolation_level=None), sqlite3.connect(path, factory=Modern)):
        with closing(other), pytest.raises(UsageError, match="no transaction has begun on it"):
            send.using(connection=other).enqueue("a@b")


def test_it_does_not_matter_how_the_caller_likes_his_rows(bench, send, mine):
    mine.row_factory = sqlite3.Row
    with mine:
        send.using(connection=mine).enqueue("a@b")
    assert bench.counts() == {State.AVAILABLE: 1}
    mine.text_factory = bytes
    with pytest.raises(UsageError, match="its text_factory is not str"):
        send.using(connection=mine).enqueue("a@b")


def test_a_transaction_that_has_not_read_yet_waits_for_other_writers(bench, send, mine, path):
    """After a read it could not: what it has read would be outdated."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE orders(id)")
        mine.execute("BEGIN")
        tries = threading.Event()
        mine.set_trace_callback(lambda sql: tries.set() if sql.startswith("DELETE") else None)
        sender = threading.Thread(target=send.using(connection=mine).enqueue, args=["a@b"])
        sender.start()
        assert tries.wait(SECONDS)
        other.execute("COMMIT")
        sender.join(SECONDS)
    mine.commit()
    assert bench.counts() == {State.AVAILABLE: 1}


def test_a_transaction_that_has_read_what_is_outdated_is_told(send, mine, path):
    mine.execute("BEGIN")
    mine.execute("SELECT * FROM sqlite_schema").fetchall()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE orders(id)")
    with pytest.raises(NotEnqueued, match="database is locked"):
        send.using(connection=mine).enqueue("a@b")


@pytest.mark.parametrize(("version", "pages"), [((3, 51, 2), 0), ((3, 51, 3), 1000)])
def test_a_callers_connection_copies_the_log_only_where_its_library_may(version, pages, send, mine, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    with mine:
        send.using(connection=mine).enqueue("a@b")
    assert mine.execute("PRAGMA wal_autocheckpoint").fetchone() == (pages,)


def test_tables_that_are_not_there_yet_can_not_be_made_within_a_transaction(path):
    app = Oakum(f"sqlite:///{path}?library=sqlite3")
    send = app.task(name="send")(lambda to: None)
    with closing(sqlite3.connect(path)) as mine, closing(app):
        mine.execute("CREATE TABLE orders(id)")
        mine.execute("INSERT INTO orders VALUES(1)")
        with pytest.raises(
            NotEnqueued, match=r"can't be made while the caller's transaction is open; .*start a worker"
        ):
            send.using(connection=mine).enqueue("a@b")
        mine.commit()
        app.store.counts()
        with mine:
            send.using(connection=mine).enqueue("a@b")
        assert [count.jobs for count in app.store.counts()] == [1]


def test_a_connection_to_another_file_is_left_as_it_is(send, tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        with pytest.raises(UsageError, match="the store is"):
            send.using(connection=other).enqueue("a@b")
        assert other.execute("PRAGMA wal_autocheckpoint").fetchone() == (1000,)
        assert not other.in_transaction


def test_the_store_copies_a_long_log_while_it_keeps_writers_out(bench, path, monkeypatch):
    said: list[tuple[str, str]] = []
    connect = stdlib._connect

    def traced(path: str) -> sqlite3.Connection:
        writer = connect(path)
        writer.set_trace_callback(lambda sql: said.append(("writer", sql)))
        return writer

    monkeypatch.setattr(connection, "LOG_LIMIT", 200_000)
    monkeypatch.setattr(log, "LOG_LIMIT", 200_000)
    bench.store.close()
    bench.plain(1)
    bench.store._connection._db._connection.set_trace_callback(lambda sql: said.append(("store", sql)))
    monkeypatch.setattr(stdlib, "_connect", traced)
    longest = 0
    for _ in range(100):
        bench.plain(1)
        longest = max(longest, os.path.getsize(f"{path}-wal"))
    copies = [place for place, (_, sql) in enumerate(said) if sql == "PRAGMA wal_checkpoint(PASSIVE)"]
    assert copies and longest < 400_000, "it is copied, and begun anew"
    assert {said[place - 1] for place in copies} == {("writer", "BEGIN IMMEDIATE")}
    assert bench.store._connection._db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


APP = """
import sqlite3
from oakum import Oakum
app = Oakum(f"sqlite:///{path}?library=sqlite3")
send = app.task(name="t")(lambda to: None)
mine = sqlite3.connect(path, timeout=60)
"""


def test_a_job_of_a_process_that_is_killed_before_its_commit_is_not_there(bench, start):
    process = start(APP + "send.using(connection=mine).enqueue('a@b'); mine.commit()\n"
                    "send.using(connection=mine).enqueue('a@b'); say(mine.in_transaction); hear()")  # fmt: skip
    assert process.stdout.readline() == "True\n"
    process.send_signal(signal.SIGKILL)
    process.wait(SECONDS)
    assert bench.counts() == {State.AVAILABLE: 1}


PUBLISH = (
    APP
    + """
mine.execute("PRAGMA synchronous = OFF")
for number in range(500):
    with mine:
        mine.execute("INSERT INTO orders VALUES(?)", (words[0] + str(number),))
        send.using(connection=mine).enqueue("a@b")
    send.using(connection=mine).enqueue("a@b")
    mine.rollback()
    if not number % 10:
        send.enqueue("a@b")
mine.close()
app.close()
"""
)
WORK = """
from oakum.store.sqlite import library
library._CHECKPOINT_PAGES = 20
store = SqliteStore(path)
holder = store.enrol(Identity("host", "boot", 1, os.getpid(), 1), 30_000, now())
want, spec, ended = Want(holder, ("default",), {"t": 1}, 1000, 25), TaskSpec("t"), 0
while ended < 1100:
    jobs = store.claim(want, now())
    store.settle([settle(job, Completed(), None, spec, now().wall_ms, 0.5) for job in jobs], holder, now())
    ended += len(jobs)
say(ended)
"""


def test_publishers_on_one_library_and_a_worker_on_another_lose_nothing(bench, mine, start, path):
    """Both in processes of their own. The worker copies the log all the time, which the others begin anew."""
    mine.execute("CREATE TABLE orders(name)")
    publishers = [start(PUBLISH, name) for name in ("a", "b")]
    worker = start(WORK)
    for process in (*publishers, worker):
        said, complaint = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, complaint
    assert said == "1100\n"
    assert bench.counts() == {State.COMPLETED: 1100}
    assert mine.execute("SELECT count(*), count(DISTINCT name) FROM orders").fetchone() == (1000, 1000)
    assert mine.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_sqlalchemy_sessions_and_connections(bench, send, path):
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        send.using(connection=session).enqueue("a@b")
        session.rollback()
        send.using(connection=session).enqueue("a@b")
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            send.using(connection=session).enqueue("a@b")
            raise ZeroDivisionError
        assert bench.counts() == {}
        session.commit()
        assert bench.counts() == {State.AVAILABLE: 1}
    with engine.connect() as connection:
        send.using(connection=connection).enqueue("a@b")
        connection.commit()
    assert bench.counts() == {State.AVAILABLE: 2}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(UsageError, match="no transaction has begun on it"):
            send.using(connection=connection).enqueue("a@b")
    engine.dispose()


DJANGO = """
import sys
from django.conf import settings
path = sys.argv[1]
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}})
from django.db import connection, transaction
from oakum import Oakum
from oakum.errors import UsageError
app = Oakum(f"sqlite:///{path}?library=sqlite3")
send = app.task(name="send")(lambda to: None)
def say(): print(sum(count.jobs for count in app.store.counts()))
try:
    send.using(connection=connection).enqueue("a@b")
except UsageError as error:
    print(error)
with transaction.atomic():
    send.using(connection=connection).enqueue("a@b")
    transaction.set_rollback(True)
say()
with transaction.atomic():
    send.using(connection=connection).enqueue("a@b")
    try:
        with transaction.atomic():
            send.using(connection=connection).enqueue("a@b")
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
say()
connection.close()
app.close()
"""


def test_django(path):
    """In a process of its own: Django is set up once for a whole process."""
    with closing(sqlite3.connect(path)) as database:  # the project's own, older than the store in it
        database.execute("CREATE TABLE shop_order(id INTEGER PRIMARY KEY)")
    command = [sys.executable, "-c", DJANGO, path]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines() == [
        "using(connection=...): Django is in autocommit mode; put transaction.atomic() around", "0", "1",
    ]  # fmt: skip
