"""SQLite's comparisons: values of one type only, without a function and without leaving the walk along the key."""

import apsw
import pytest

from oakum import purge
from oakum.clock import FakeClock
from oakum.purge import Options
from oakum.purge.lock import LockTime
from oakum.purge.sql.sqlite import Sqlite
from oakum.purge.sql.table import TableRows
from oakum.purge.sql.where import parse_condition

VALUES = (None, -1, 0, 5, 2.5, 70, "", "5", "4x", "2025-01-01", "zzz", b"", b"5", b"\xff")


@pytest.fixture
def path(tmp_path):
    connection = apsw.Connection(str(tmp_path / "x.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return str(tmp_path / "x.db")


@pytest.fixture
def database(path):
    database = Sqlite(path)
    yield database
    database.close()


@pytest.mark.parametrize("declared", ["", "TEXT", "INTEGER", "DATETIME", "REAL"])
@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("value", [5, 2.5, "5", "", "2025-01-01"])
def test_an_order_is_asked_among_values_of_one_type(database, declared, operator, value):
    database.change(f"CREATE TABLE t (c {declared})")
    for one in VALUES:
        database.change("INSERT INTO t VALUES (?)", (one,))
    types = "('text')" if isinstance(value, str) else "('integer', 'real')"
    expected = database.query(f"SELECT rowid FROM t WHERE c {operator} ? AND typeof(c) IN {types}", (value,))
    assert database.query(f"SELECT rowid FROM t WHERE {database.compare('c', operator, value)}", (value,)) == expected


@pytest.mark.parametrize("condition", ["t<2025-01-01", "t>=2020-01-01"])
def test_a_range_is_found_by_its_key_and_no_page_is_copied_for_an_undo(database, condition, monkeypatch):
    database.change("CREATE TABLE events (id INTEGER PRIMARY KEY, t DATETIME)")
    database.change("CREATE INDEX by_t ON events (t)")
    events, asked = database.describe("events"), []
    monkeypatch.setattr(database, "delete", lambda parts, _: asked.extend(parts) or 0)
    TableRows(database, events, [parse_condition(condition, events)]).delete((1,), (9,), LockTime(FakeClock()))
    [(sql, values)] = asked
    plan = [row[3] for row in database.query(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert plan == ["SEARCH main.events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]
    assert not [step for step in database.query(f"EXPLAIN {sql}", values) if step[1] == "Function"]


def test_the_connection_is_left_to_others_with_all_on_the_disk(path, monkeypatch):
    flushed = []
    monkeypatch.setattr("oakum.purge.checkpoint.os.fdatasync", flushed.append)
    Sqlite(path).close()
    assert len(flushed) == 1


def test_among_rows_of_one_value_only_the_range_itself_is_read(database, monkeypatch):
    database.change("CREATE TABLE events (id INTEGER PRIMARY KEY, t DATE)")
    database.change("CREATE INDEX by_t ON events (t)")
    events, asked = database.describe("events"), []
    monkeypatch.setattr(database, "delete", lambda parts, _: asked.extend(parts) or 0)
    rows = TableRows(database, events, [parse_condition("t<2025-01-01", events)], by="t")
    for after in (None, ("2024-05-04", 3), ("2024-05-05", 7)):
        rows.delete(after, ("2024-05-05", 9), LockTime(FakeClock()))
    plans = [row[3] for sql, values in asked for row in database.query(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert plans == [
        f"SEARCH main.events USING INDEX by_t ({bounds})"
        for bounds in ("t<?", "t=? AND rowid<?", "t>? AND t<?", "t=? AND rowid<?", "t=? AND rowid>? AND rowid<?")
    ]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_rows_that_share_their_times_all_go(path, database, size):
    database.change("CREATE TABLE events (id INTEGER PRIMARY KEY, t DATE, kept BOOLEAN)")
    database.change("CREATE INDEX by_t ON events (t)")
    for n in range(40):
        database.change(
            "INSERT INTO events VALUES (?, ?, ?)", (n * 7 % 40, f"2024-01-0{1 + n % 3 * n % 4}", n % 9 == 0)
        )
    options = Options(largest_batch=size, pause="0s")
    report = purge.table(
        f"sqlite:///{path}", "events", column="t", older_than="90d", where=["kept=false"], options=options
    )
    assert (report.rows, report.ended) == (35, "done")
    assert database.query("SELECT count(*), min(kept) FROM events") == [(5, 1)]
