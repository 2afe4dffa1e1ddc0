"""Plain tables on each database: what is asked for goes, nothing else does, and odd names are only names."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import apsw
import pytest
from tests.stores.purge.writer import writer_at_each_end_of_a_lock

from oakum import purge
from oakum.clock import FakeClock
from oakum.errors import CannotRun, UsageError
from oakum.purge import Options
from oakum.purge.sql.connect import connect

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ODD = "e\"v`e%n;t's --"


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def kind(request):
    return request.param


@pytest.fixture
def url(urls, kind):
    if kind == "sqlite":
        apsw.Connection(urls[kind].removeprefix("sqlite:///")).close()
    return urls[kind]


@pytest.fixture
def make(url):
    """Makes a table with columns as declared and rows of one value in each; drops it at the end."""
    made = []
    with closing(connect(url)) as database:

        def table(columns, rows, name="events", extra=""):
            quoted = database.quote(name)
            database.change(f"CREATE TABLE {quoted} ({columns}){extra}")
            made.append(quoted)
            for row in rows:
                database.change(f"INSERT INTO {quoted} VALUES ({', '.join([database.mark] * len(row))})", row)
            return lambda: [
                values[0] if len(values) == 1 else tuple(values)
                for values in database.query(f"SELECT * FROM {quoted} ORDER BY 1")
            ]

        yield table
        for quoted in made:
            database.change(f"DROP TABLE {quoted}")


def days(count):
    """Moments from one to `count` days before NOW, oldest first."""
    return [NOW - timedelta(days=age) for age in range(count, 0, -1)]


def options(**given):
    return Options(clock=FakeClock(NOW.timestamp()), largest_batch=3, pause="0s", **given)


COLUMNS = {
    "zoned": ({"sqlite": "TEXT", "postgresql": "timestamptz", "mysql": "timestamp NULL"}, lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S")),
    "naive": ({"sqlite": "DATETIME", "postgresql": "timestamp", "mysql": "datetime"}, lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S")),
    "seconds": ({"sqlite": "INTEGER", "postgresql": "bigint", "mysql": "bigint"}, lambda moment: int(moment.timestamp())),
    "milliseconds": ({"sqlite": "INTEGER", "postgresql": "bigint", "mysql": "bigint"}, lambda moment: int(moment.timestamp() * 1000)),
    "fraction": ({"sqlite": "REAL", "postgresql": "double precision", "mysql": "double"}, lambda moment: moment.timestamp()),
    "day": ({"sqlite": "DATE", "postgresql": "date", "mysql": "date"}, lambda moment: moment.strftime("%Y-%m-%d")),
}  # fmt: skip


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("column", COLUMNS)
def test_older_than_in_whatever_form_the_column_has(kind, url, make, column, indexed):
    types, written = COLUMNS[column]
    rows = make(f"id integer PRIMARY KEY, t {types[kind]}", [(n, written(moment)) for n, moment in enumerate(days(20))])
    if indexed:
        with closing(connect(url)) as database:
            database.change("CREATE INDEX by_time ON events (t)")
    report = purge.table(url, "events", column="t", older_than="10d", options=options())
    assert (report.rows, report.ended) == (10, "done")
    assert [row[0] for row in rows()] == list(range(10, 20))


def test_rows_of_one_moment_are_told_apart_by_their_key(kind, url, make):
    rows = make(
        f"id integer PRIMARY KEY, t {COLUMNS['seconds'][0][kind]}", [(n, 1_600_000_000 + n // 10) for n in range(30)]
    )
    with closing(connect(url)) as database:
        database.change("CREATE INDEX by_time ON events (t)")
    report = purge.table(url, "events", where=["t<1600000002"], options=options())
    assert report.rows == 20
    assert len(rows()) == 10
    report = purge.table(url, "events", column="t", older_than="1d", options=options(all=True))
    assert (report.rows, rows()) == (10, [])


def test_a_key_of_several_columns(url, make):
    rows = make(
        "a integer, b varchar(20), c integer, PRIMARY KEY (a, b)", [(n // 4, f"b{n % 4}", n % 2) for n in range(24)]
    )
    assert purge.table(url, "events", where=["c=0"], options=options()).rows == 12
    assert {row[2] for row in rows()} == {1}


def test_conditions_are_joined_by_and(url, make):
    make("id integer PRIMARY KEY, s varchar(9)", [(n, "done" if n % 2 else "open") for n in range(10)])
    assert purge.table(url, "events", where=["s=done", "id<5"], options=options(dry_run=True)).would == 2
    assert purge.table(url, "events", where=["s=done", "id<5"], options=options()).rows == 2


def test_null_is_neither_old_nor_equal(url, make):
    rows = make("id integer PRIMARY KEY, t integer", [(1, None), (2, 1_600_000_000), (3, None)])
    assert purge.table(url, "events", column="t", older_than="1d", options=options()).rows == 1
    assert [row[0] for row in rows()] == [1, 3]
    assert purge.table(url, "events", where=["t is null", "id<2"], options=options()).rows == 1


def test_a_column_without_any_value_has_nothing_old(url, make):
    make("id integer PRIMARY KEY, t integer", [(1, None), (2, None)])
    assert purge.table(url, "events", column="t", older_than="1d", options=options()).rows == 0


def test_a_dry_run_is_exact_and_touches_nothing(url, make):
    rows = make("id integer PRIMARY KEY", [(n,) for n in range(10)])
    report = purge.table(url, "events", where=["id<7"], options=options(dry_run=True))
    assert (report.would, len(rows())) == (7, 10)


def test_every_row_asks_for_all(url, make):
    rows = make("id integer PRIMARY KEY, t integer", [(n, 1_600_000_000) for n in range(5)])
    for where in ([], ["id>=0"], ["t is not null"]):
        with pytest.raises(UsageError, match="matches every row; say --all"):
            purge.table(url, "events", where=where, options=options())
    with pytest.raises(UsageError, match="matches every row; say --all"):
        purge.table(url, "events", column="t", older_than="1d", options=options())
    assert len(rows()) == 5
    assert purge.table(url, "events", options=options(all=True)).rows == 5


def test_a_null_is_a_row_that_does_not_match(url, make):
    make("id integer PRIMARY KEY, t integer", [(1, 5), (2, None)])
    assert purge.table(url, "events", where=["t<9"], options=options()).rows == 1


def test_missing_things_are_named(url, make):
    rows = make("id integer PRIMARY KEY, t integer", [(1, 1)])
    with pytest.raises(UsageError, match="has no table 'event'"):
        purge.table(url, "event", where=["id=1"])
    with pytest.raises(UsageError, match="table events has no column 'creatd'; it has id, t"):
        purge.table(url, "events", column="creatd", older_than="1d")
    with pytest.raises(UsageError, match="table events has no column 'x'"):
        purge.table(url, "events", where=["x=1"])
    with pytest.raises(UsageError, match="column t holds 1: neither a time"):
        purge.table(url, "events", column="t", older_than="1d")
    with pytest.raises(UsageError, match="older_than and column go together"):
        purge.table(url, "events", older_than="1d")
    assert len(rows()) == 1


def test_odd_names_and_values_are_only_names_and_values(url, make):
    name, column = ODD, "a%s\"`';\n--x"
    with closing(connect(url)) as database:
        quoted = database.quote(column)
    rows = make(f"id integer PRIMARY KEY, {quoted} varchar(40)", [(1, "x' OR '1'='1"), (2, "%s"), (3, "y")], name=name)
    assert purge.table(url, name, where=[f"{column}=x' OR '1'='1"], options=options()).rows == 1
    assert purge.table(url, name, where=[f"{column}=%s"], options=options()).rows == 1
    assert [row[0] for row in rows()] == [3]


def test_a_name_with_a_dot_is_written_in_quotes(url, make):
    rows = make("id integer PRIMARY KEY", [(1,), (2,)], name='a."b".c')
    assert purge.table(url, '"a.""b"".c"', where=["id=1"], options=options()).rows == 1
    assert rows() == [2]


def test_what_the_database_refuses_is_one_line(kind, url, make):
    extra = " ENGINE=InnoDB" if kind == "mysql" else ""
    rows = make("id integer PRIMARY KEY", [(n,) for n in range(6)], name="up", extra=extra)
    make("id integer PRIMARY KEY, up integer, FOREIGN KEY (up) REFERENCES up (id)", [(1, 4)], name="down", extra=extra)
    with pytest.raises(CannotRun, match=r"up of .*(?i:foreign key).*; what is deleted stays deleted$") as caught:
        purge.table(url, "up", where=["id<5"], options=options())
    assert "\n" not in str(caught.value)
    assert rows() == [3, 4, 5]  # the first batch of three is through
    with closing(connect(url)) as database:
        database.change("DROP TABLE down")
        database.change("CREATE TABLE down (id integer PRIMARY KEY)")


NEWEST_BUT_OWN = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "ORDER BY backend_start DESC LIMIT 1",
    "mysql": "SELECT max(id) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}
CUT = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


@pytest.mark.parametrize("kind", NEWEST_BUT_OWN)
def test_a_connection_that_is_cut_is_one_line_and_the_next_run_goes_on(kind, url, make):
    rows = make("id integer PRIMARY KEY", [(n,) for n in range(10)])

    def cut(_):
        with closing(connect(url)) as database:
            database.change(CUT[kind].format(database.query(NEWEST_BUT_OWN[kind])[0][0]))

    with pytest.raises(CannotRun, match="; what is deleted stays deleted"):
        purge.table(url, "events", where=["id<9"], options=options(progress=cut))
    assert rows() == list(range(3, 10))
    assert purge.table(url, "events", where=["id<9"], options=options()).rows == 6


def test_rows_behind_a_foreign_key_go_as_the_schema_says(kind, url, make):
    extra = " ENGINE=InnoDB" if kind == "mysql" else ""
    make("id integer PRIMARY KEY", [(n,) for n in range(6)], name="up", extra=extra)
    below = make("id integer PRIMARY KEY, up integer, FOREIGN KEY (up) REFERENCES up (id) ON DELETE CASCADE",
        [(n, n % 6) for n in range(12)], name="down", extra=extra)  # fmt: skip
    assert purge.table(url, "up", where=["id<4"], options=options()).rows == 4
    assert {row[1] for row in below()} == {4, 5}
    with closing(connect(url)) as database:
        database.change("DROP TABLE down")
        database.change("CREATE TABLE down (id integer PRIMARY KEY)")


def test_a_stopped_purge_goes_on_after_its_position(url, make, tmp_path):
    rows = make("id integer PRIMARY KEY", [(n,) for n in range(20)])
    kept = options(position=tmp_path / "position", max_rows=6)
    assert purge.table(url, "events", where=["id<15"], options=kept).ended == "max rows"
    assert (tmp_path / "position").exists()
    with closing(connect(url)) as database:
        database.change("INSERT INTO events VALUES (-1)")  # behind the position: found when the walk goes round
    report = purge.table(url, "events", where=["id<15"], options=options(position=tmp_path / "position"))
    assert (report.rows, report.ended) == (10, "done")
    assert rows() == [15, 16, 17, 18, 19]
    assert not (tmp_path / "position").exists()


def test_two_purges_at_a_time_share_the_work(url, make):
    rows = make("id integer PRIMARY KEY, t integer", [(n, n) for n in range(400)])
    start, reports = threading.Barrier(2), []

    def work():
        start.wait()
        reports.append(purge.table(url, "events", where=["id<390"], options=Options(largest_batch=7, pause="0s")))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.ended for report in reports] == ["done", "done"]
    assert sum(report.rows for report in reports) == 390
    assert len(rows()) == 10


def test_a_row_locked_by_somebody_else_is_waited_for(kind, url, make, monkeypatch):
    from oakum.purge.sql import mysql, postgres, sqlite

    for module in (mysql, postgres, sqlite):
        monkeypatch.setattr(module, "LOCK_WAIT_SECONDS", 1)
    rows = make("id integer PRIMARY KEY, t integer", [(n, n) for n in range(5)])
    with closing(connect(url)) as other:
        other.change("BEGIN IMMEDIATE" if kind == "sqlite" else "BEGIN")
        other.change("UPDATE events SET t = 7 WHERE id = 1")
        asked = []

        def give_up_the_lock():
            asked.append(len(rows()))
            if len(asked) == 2:
                other.change("ROLLBACK")
            return False

        report = purge.table(url, "events", where=["id<3"], options=options(stop=give_up_the_lock))
    assert asked[:2] == [5, 5]  # undone the first time
    assert (report.rows, report.ended) == (3, "done")


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_table_without_a_key_is_refused(kind, url, make):
    rows = make("t integer", [(1,), (2,)])
    with pytest.raises(UsageError, match="table events has no primary key"):
        purge.table(url, "events", where=["t=1"])
    assert len(rows()) == 2


@pytest.mark.parametrize("kind", ["sqlite"])
class TestSqlite:
    def test_a_lock_counts_from_when_it_is_held_until_it_is_free(self, url, make, monkeypatch):
        rows = make("id integer PRIMARY KEY", [(n,) for n in range(10)])
        other = apsw.Connection(url.removeprefix("sqlite:///"))
        with writer_at_each_end_of_a_lock(other, apsw.BusyError, monkeypatch) as may_write:
            report = purge.table(url, "events", where=["id<9"], options=options())
        assert report.rows == 9
        assert may_write == {"taken": [False] * report.batches, "given back": [True] * report.batches}
        assert len(rows()) == 1

    def test_a_table_without_a_key_has_its_rowid(self, url, make):
        rows = make("rowid text, t integer", [("a", 1), ("b", 2), ("c", 1)])
        assert purge.table(url, "events", where=["t=1"], options=options()).rows == 2
        assert rows() == [("b", 2)]

    def test_a_column_without_a_type_is_compared_with_numbers_and_texts(self, url, make):
        rows = make("id integer PRIMARY KEY, t", [(1, 5), (2, "5x"), (3, 2.5), (4, 70)])
        assert purge.table(url, "events", where=["t<9"], options=options()).rows == 2
        assert purge.table(url, "events", where=["t=5x"], options=options()).rows == 1
        assert rows() == [(4, 70)]

    def test_a_table_without_rowid_has_its_key(self, url, make):
        rows = make("k text PRIMARY KEY, t integer", [(f"k{n}", n) for n in range(9)], extra=" WITHOUT ROWID")
        assert purge.table(url, "events", where=["t<5"], options=options()).rows == 5
        assert len(rows()) == 4

    def test_numbers_are_not_older_than_texts(self, url, make):
        rows = make(
            "id integer PRIMARY KEY, t DATETIME",
            [(1, "2020-01-01 00:00:00"), (2, 1_600_000_000), (3, "2025-12-31 12:00:00")],
        )
        assert purge.table(url, "events", column="t", older_than="10d", options=options()).rows == 1
        assert [row[0] for row in rows()] == [2, 3]

    def test_a_view_is_no_table(self, url, make):
        make("id integer PRIMARY KEY", [(1,)])
        with closing(connect(url)) as database:
            database.change("CREATE TEMP VIEW seen AS SELECT 1")
            database.change("CREATE VIEW view_of_events AS SELECT * FROM events")
        with pytest.raises(UsageError, match="is a view, not a table"):
            purge.table(url, "view_of_events", where=["id=1"])
        with closing(connect(url)) as database:
            database.change("DROP VIEW view_of_events")

    def test_a_database_that_is_not_there_is_not_made(self, kind, tmp_path):
        with pytest.raises(CannotRun, match="cannot open the SQLite database"):
            purge.table(f"sqlite:///{tmp_path}/none.db", "events", where=["id=1"])
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["", "events.db", "oracle://h/d", "sqlite://file.db", "postgresql://[::1", "mysql://h:port/d"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(UsageError, match="database URL"):
        purge.table(url, "events", where=["id=1"])


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_an_error_never_shows_the_password(scheme):
    with pytest.raises(CannotRun) as caught:
        purge.table(f"{scheme}://me:hush@127.0.0.1:1/d", "events", where=["id=1"])
    assert "hush" not in str(caught.value)
    assert "127.0.0.1:1/d" in str(caught.value)
