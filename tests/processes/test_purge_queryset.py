"""`oakum purge queryset` on a Django project, found by its settings in the directory where it is called."""

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

PROJECT = Path(__file__).parents[2] / "examples" / "cleanup"
SESSION = "CREATE TABLE terminal_session (id INTEGER PRIMARY KEY, user TEXT, asset TEXT, date_start DATETIME)"
COMMAND = (
    "CREATE TABLE terminal_command (id INTEGER PRIMARY KEY, input TEXT, output TEXT, "
    "session_id INTEGER REFERENCES terminal_session (id) DEFERRABLE INITIALLY DEFERRED)"
)


@pytest.fixture
def database(tmp_path):
    connection = apsw.Connection(str(tmp_path / "cleanup.db"))
    for statement in (SESSION, COMMAND):
        connection.execute(statement)
    for number in range(100):
        moment = "2020-01-01 00:00:00" if number < 90 else "2999-01-01 00:00:00"
        connection.execute("INSERT INTO terminal_session VALUES (?, 'u', 'a', ?)", (number, moment))
        connection.execute("INSERT INTO terminal_command VALUES (?, 'ls', '', ?)", (number, number))
    yield connection
    connection.close()


@pytest.fixture
def purge(tmp_path, database):
    environment = os.environ | {"CLEANUP_DATABASE": str(tmp_path / "cleanup.db"), "XDG_STATE_HOME": str(tmp_path)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def run(*words):
        command = [sys.executable, "-m", "oakum", "purge", "queryset", *words]
        return subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def left(database):
    sessions = "SELECT (SELECT count(*) FROM terminal_session), (SELECT count(*) FROM terminal_command)"
    return database.execute(sessions).fetchone()


@pytest.mark.parametrize(
    "how", [["--where", "date_start__lt=2024-01-01"], ["--older-than", "90d", "--column", "date_start"]]
)
def test_rows_go_with_what_hangs_on_them(purge, database, how):
    dry = purge("terminal.Session", "--settings", "settings", "--dry-run", *how)
    assert "90 rows would go" in dry.stdout
    assert left(database) == (100, 100)
    done = purge("terminal.Session", "--settings", "settings", *how)
    assert (done.returncode, left(database)) == (0, (10, 10))
    assert "terminal.apps.forget receives post_delete; terminal.Command.session is CASCADE" in done.stderr
    assert "terminal.Command.session (CASCADE): 90 rows are loaded with them" in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["terminal.Session", "--where", "id__lt=9"], "which Django project? say --settings mysite.settings"),
        (["terminal.Sesion", "--settings", "settings", "--where", "id__lt=9"], "'terminal.Sesion' is not a model"),
        (["terminal.Session", "--settings", "settings", "--where", "started__lt=9"], "Cannot resolve keyword 'started'"),
        (["terminal.Session", "--settings", "settings", "--where", "date_start__lt=soon"], "condition 'date_start__lt=soon'"),
        (["terminal.Session", "--settings", "settings", "--where", "id"], "write it like date_start__lt=2024-01-01"),
        (["terminal.Session", "--settings", "settings"], "matches every row; say --all"),
        (["terminal.Session", "--settings", "settings", "--older-than", "9d"], "--older-than and --column go together"),
        (["terminal.Session", "--settings", "settings", "--older-than", "9d", "--column", "user"], "neither a time nor"),
        (["terminal.Session", "--settings", "settings", "--mode", "fast", "--where", "id__lt=9"], "would lose something"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line_and_status_2(purge, database, words, line):
    wrong = purge(*words)
    assert (wrong.returncode, left(database)) == (2, (100, 100))
    assert line in wrong.stderr.splitlines()[-1]


def test_what_the_database_refuses_is_one_line(purge, database):
    database.execute(
        "CREATE TRIGGER kept BEFORE DELETE ON terminal_session WHEN old.id = 50 "
        "BEGIN SELECT RAISE(ABORT, 'session 50 is kept'); END"
    )
    refused = purge("terminal.Session", "--settings", "settings", "--where", "date_start__lt=2024-01-01")
    assert refused.stderr.splitlines()[-1] == "oakum: session 50 is kept; what is deleted stays deleted"
    assert (refused.returncode, left(database)) == (3, (100, 100))  # it was in the first batch


def test_settings_that_are_not_there_are_named(purge):
    wrong = purge("terminal.Session", "--settings", "nothing.here", "--where", "id__lt=9")
    assert wrong.returncode == 3
    assert "cannot set Django up: No module named 'nothing'" in wrong.stderr
