"""SQLite's checkpoints, taken out of the commits."""

import os

import apsw
import pytest

from oakum.purge.checkpoint import Checkpoints


@pytest.fixture
def database(tmp_path):
    connection = apsw.Connection(str(tmp_path / "x.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    yield connection
    connection.close()


@pytest.fixture
def heard(database):
    """What is asked of the database."""
    asked = []
    database.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: asked.append(event["sql"]))
    return asked


def value(database):
    return lambda sql: database.execute(sql).get


def test_a_commit_makes_none_meanwhile_and_afterwards_it_is_as_it_was(database):
    database.execute("PRAGMA wal_autocheckpoint = 321")
    checkpoints = Checkpoints(value(database))
    assert value(database)("PRAGMA wal_autocheckpoint") == 0
    checkpoints.close()
    assert value(database)("PRAGMA wal_autocheckpoint") == 321


def test_one_is_made_when_locks_of_a_twentieth_of_a_second_have_added_up(database, heard):
    checkpoints = Checkpoints(value(database))
    heard.clear()
    for _ in range(7):
        checkpoints.after(0.02)
    assert heard == ["PRAGMA wal_checkpoint(PASSIVE)"] * 2


def test_who_has_turned_them_off_keeps_them_off(database, heard):
    database.execute("PRAGMA wal_autocheckpoint = 0")
    checkpoints = Checkpoints(value(database))
    checkpoints.after(60.0)
    checkpoints.close()
    assert not [sql for sql in heard if "checkpoint(" in sql]
    assert value(database)("PRAGMA wal_autocheckpoint") == 0


@pytest.fixture
def flushed(monkeypatch):
    """The files that were brought to the disk."""
    names = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: names.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))))
    return names


def test_a_commit_does_not_wait_for_the_disk_and_the_end_does(database, flushed):
    checkpoints = Checkpoints(value(database))
    assert value(database)("PRAGMA synchronous") == 1
    assert flushed == []
    checkpoints.close()
    assert value(database)("PRAGMA synchronous") == 2
    assert flushed == ["x.db-wal"]


def test_who_does_not_wait_for_the_disk_is_not_made_to(database, flushed):
    database.execute("PRAGMA synchronous = OFF")
    checkpoints = Checkpoints(value(database))
    checkpoints.close()
    assert value(database)("PRAGMA synchronous") == 0
    assert flushed == []


def test_without_a_write_ahead_log_it_is_left_as_it_is(database, flushed, heard):
    database.execute("PRAGMA journal_mode = DELETE")
    checkpoints = Checkpoints(value(database))
    checkpoints.after(60.0)
    assert value(database)("PRAGMA synchronous") == 2
    checkpoints.close()
    assert value(database)("PRAGMA wal_autocheckpoint") == 1000
    assert flushed == []
    assert not [sql for sql in heard if "checkpoint(" in sql]


def test_a_log_that_somebody_has_done_away_with_needs_no_flush(database, flushed, tmp_path):
    checkpoints = Checkpoints(value(database))
    (tmp_path / "x.db-wal").unlink()
    checkpoints.close()
    assert flushed == []
