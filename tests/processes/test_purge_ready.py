"""`oakum purge ready` and `oakum purge own` as people run them: a dry run says exactly what the command then deletes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from celery import Celery
from celery.backends.database.session import ResultModelBase
from sqlalchemy import create_engine
from tests.support.redis import RedisServer

from oakum.clock import SystemClock
from oakum.model.job import NewJob
from oakum.store.base import Instant
from oakum.store.sqlite.store import SqliteStore

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=100), NOW - timedelta(days=1)
MOMENTS = (OLD, OLD, YOUNG)  # what each table of these tests holds: two rows that go and one that stays
APPS = Path(__file__).parents[1] / "support" / "bastion"
SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}}
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.admin", "django.contrib.messages",
    "django.contrib.sessions", "django_celery_results", "terminal",
]
USE_TZ = True
SECRET_KEY = "a test"
"""


@pytest.fixture
def environment(tmp_path):
    chosen = {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(APPS), "DJANGO_SETTINGS_MODULE": "settings"}
    return os.environ | chosen


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A Django project whose tables Django itself has made."""
    place = tmp_path_factory.mktemp("site")
    (place / "settings.py").write_text(SETTINGS)
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--skip-checks", "--verbosity", "0"]
    environment = os.environ | {"PYTHONPATH": str(APPS), "DJANGO_SETTINGS_MODULE": "settings"}
    subprocess.run(command, cwd=place, env=environment, timeout=100, check=True)
    return place


@pytest.fixture
def site(migrated, tmp_path):
    """A project of the test's own, and a connection to its database."""
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "site.db", isolation_level=None)) as database:
        yield database


@pytest.fixture
def purge(tmp_path, environment):
    """Runs the command twice, dry and in earnest: how many went of each thing, which both must say alike."""

    def run(*words):
        command = [sys.executable, "-m", "oakum", "purge", *words, "--format", "json"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def both_ways(contents, *words):
        before = contents()
        would = [report["would"] for report in run(*words, "--dry-run")]
        assert contents() == before
        reports = run(*words)
        assert {report["ended"] for report in reports} == {"done"}
        assert [report["rows"] for report in reports] == would
        return would

    return both_ways


def counts(database, *tables):
    """A function that says how many rows each table holds."""
    return lambda: [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


def written(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def test_django_sessions(site, purge):
    for number, moment in enumerate(MOMENTS):
        site.execute("INSERT INTO django_session VALUES (?, '', ?)", (str(number), written(moment)))
    left = counts(site, "django_session")
    assert purge(left, "ready", "django-sessions", "--older-than", "90d") == [2]
    assert left() == [1]


def test_django_admin_log(site, purge):
    insert = "INSERT INTO django_admin_log (action_time, object_repr, action_flag, change_message, user_id) VALUES (?, '', 1, '', 1)"
    for moment in MOMENTS:
        site.execute(insert, (written(moment),))
    left = counts(site, "django_admin_log")
    assert purge(left, "ready", "django-admin-log", "--older-than", "90d") == [2]
    assert left() == [1]


TASK_RESULT = (
    "INSERT INTO django_celery_results_taskresult (task_id, status, content_type, content_encoding, date_done, date_created) "
    "VALUES (?, '', '', '', ?, '')"
)
GROUP_RESULT = (
    "INSERT INTO django_celery_results_groupresult (group_id, content_type, content_encoding, date_done, date_created) "
    "VALUES (?, '', '', ?, '')"
)


def test_django_celery_results(site, purge):
    for insert in (TASK_RESULT, GROUP_RESULT):
        for number, moment in enumerate(MOMENTS):
            site.execute(insert, (str(number), written(moment)))
    left = counts(site, "django_celery_results_taskresult", "django_celery_results_groupresult")
    assert purge(left, "ready", "django-celery-results", "--older-than", "90d") == [2, 2]
    assert left() == [1, 1]


def test_that_everything_is_old_is_no_question(site, purge):
    site.execute(TASK_RESULT, ("1", written(OLD)))
    assert purge(
        counts(site, "django_celery_results_taskresult"), "ready", "django-celery-results", "--older-than", "90d"
    ) == [1, 0]


def test_jumpserver(site, purge, tmp_path):
    for number, moment in enumerate(MOMENTS):
        key = f"{number:032x}"
        site.execute("INSERT INTO terminal_session VALUES (?, ?)", (key, written(moment)))
        site.execute("INSERT INTO terminal_command VALUES (?, ?, ?)", (key, key, int(moment.timestamp())))
        replay = tmp_path / "replays" / f"{moment:%Y-%m-%d}" / f"{key}.cast.gz"
        replay.parent.mkdir(parents=True, exist_ok=True)
        replay.touch()
        os.utime(replay, (moment.timestamp(), moment.timestamp()))
    rows = counts(site, "terminal_command", "terminal_session")

    def left():
        return *rows(), sorted(path.name for path in (tmp_path / "replays").rglob("*"))

    two_replays_and_their_directory = 3
    gone = purge(left, "ready", "jumpserver", "replays", "--older-than", "90d")
    assert gone == [2, 2, two_replays_and_their_directory]
    assert left() == (1, 1, [f"{2:032x}.cast.gz", f"{YOUNG:%Y-%m-%d}"])


def test_celerys_results_in_a_database(purge, tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/results.db")
    ResultModelBase.metadata.create_all(engine)
    engine.dispose()
    with closing(sqlite3.connect(tmp_path / "results.db", isolation_level=None)) as database:
        for table, key in (("celery_taskmeta", "task_id"), ("celery_tasksetmeta", "taskset_id")):
            for number, moment in enumerate(MOMENTS):
                insert = f"INSERT INTO {table} (id, {key}, date_done) VALUES (?, ?, ?)"
                database.execute(insert, (number, str(number), f"{written(moment)}.000000"))
        left = counts(database, "celery_taskmeta", "celery_tasksetmeta")
        assert purge(left, "ready", "celery-database", "sqlite:///results.db", "--older-than", "90d") == [2, 2]
        assert left() == [1, 1]


def test_celerys_results_in_redis(purge, tmp_path):
    with RedisServer(tmp_path) as server, closing(redis.Redis.from_url(server.url)) as client:
        with closing(Celery(backend=server.url, set_as_current=False)) as app:
            app.conf.result_expires = None
            for number in range(3):
                app.backend.store_result(f"kept-{number}", "done", "SUCCESS")
        client.set("celery-task-meta-expiring", "done", ex=3600)
        client.set("celery", "a queue")
        assert purge(client.dbsize, "ready", "celery-redis", server.url, "--older-than", "1h") == [
            0
        ]  # touched just now
        assert purge(client.dbsize, "ready", "celery-redis", server.url, "--older-than", "0s") == [3]
        assert sorted(client.keys()) == [b"celery", b"celery-task-meta-expiring"]


def test_oakums_own_history(purge, tmp_path):
    with closing(SqliteStore(str(tmp_path / "work.db"))) as store:
        now = Instant.read(SystemClock())
        long_ago = now._replace(wall_ms=now.wall_ms - 400 * 86_400_000)
        ids = [number.to_bytes(16, "big") for number in range(1, 31)]
        store.insert([NewJob(id=name, task="t", payload=b"") for name in ids], long_ago)
        store.cancel(ids[:20], long_ago)
        store.cancel(ids[20:25], now)

        def left():
            return sum(store.story(name) is not None for name in ids)

        assert purge(left, "own", "--store", "sqlite:///work.db") == [20]
        assert left() == 10


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["celery-database", "sqlite:///results.db"], "celery-database: say --older-than, like --older-than 90d"),
        (
            ["celery-database", "--older-than", "90d"],
            "celery-database: give the results' database URL as the second word",
        ),
        (["jumpserver", "--older-than", "90d"], "jumpserver: give the replays' directory as the second word"),
        (["celery-database", "sqlite:///none.db", "--older-than", "90d"], "cannot open the SQLite database none.db"),
    ],
)
def test_what_it_wants_to_know_is_one_line(tmp_path, environment, words, line):
    command = [sys.executable, "-m", "oakum", "purge", "ready", *words]
    wrong = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert wrong.returncode in {2, 3}
    assert wrong.stderr.startswith(f"oakum: {line}")
    assert wrong.stderr.count("\n") == 1
