"""The purges that are ready, on tables and files as their owners make them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import apsw
import pytest
from celery.backends.database.models import Task
from celery.backends.database.session import ResultModelBase
from sqlalchemy import create_engine

from oakum.clock import FakeClock
from oakum.purge import Options
from oakum.purge.ready import READY

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=100), NOW - timedelta(days=1)


def run(name, source="", **given):
    return READY[name].run(source, "90d", Options(clock=FakeClock(NOW.timestamp()), **given))


@pytest.fixture
def site_default(site):
    """The site's default database, which ready purges use, emptied."""
    from django.core.management import call_command

    call_command("flush", database="default", interactive=False, verbosity=0, inhibit_post_migrate=True)


@pytest.mark.usefixtures("site_default")
def test_django_sessions():
    from django.contrib.sessions.models import Session

    for number, moment in enumerate((OLD, OLD, YOUNG)):
        Session.objects.create(session_key=f"s{number}", session_data="", expire_date=moment)
    assert [report.rows for report in run("django-sessions")] == [2]
    assert Session.objects.get().session_key == "s2"


@pytest.mark.usefixtures("site_default")
def test_django_admin_log():
    from django.contrib.admin.models import LogEntry
    from django.contrib.auth.models import User

    user = User.objects.create(username="me")
    for moment in (OLD, YOUNG):
        LogEntry.objects.create(user=user, action_flag=1, action_time=moment)
    assert [report.rows for report in run("django-admin-log")] == [1]
    assert LogEntry.objects.get().action_time == YOUNG


@pytest.mark.usefixtures("site_default")
def test_django_celery_results():
    from django_celery_results.models import GroupResult, TaskResult

    for model, key in ((TaskResult, "task_id"), (GroupResult, "group_id")):
        for number, moment in enumerate((OLD, OLD, YOUNG)):
            row = model.objects.create(**{key: str(number)})
            model.objects.filter(pk=row.pk).update(date_done=moment)
    assert [(report.rows, report.ended) for report in run("django-celery-results")] == [(2, "done"), (2, "done")]
    assert (TaskResult.objects.count(), GroupResult.objects.count()) == (1, 1)


@pytest.mark.usefixtures("site_default")
def test_that_everything_is_old_is_no_question():
    from django_celery_results.models import TaskResult

    row = TaskResult.objects.create(task_id="1")
    TaskResult.objects.filter(pk=row.pk).update(date_done=OLD)
    assert [report.rows for report in run("django-celery-results")] == [1, 0]


def test_celery_database(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/results.db")
    ResultModelBase.metadata.create_all(engine)
    engine.dispose()
    database = apsw.Connection(f"{tmp_path}/results.db")
    for number, moment in enumerate((OLD, OLD, YOUNG)):
        database.execute(
            f"INSERT INTO {Task.__tablename__} (task_id, date_done) VALUES (?, ?)",
            (str(number), moment.strftime("%Y-%m-%d %H:%M:%S.%f")),
        )
    database.close()
    assert [report.rows for report in run("celery-database", f"sqlite:///{tmp_path}/results.db")] == [2, 0]


@pytest.mark.usefixtures("site_default")
def test_jumpserver(tmp_path):
    from terminal.models import Command, Session

    for moment in (OLD, OLD, YOUNG):
        session = Session.objects.create(date_start=moment)
        for _ in range(3):
            Command.objects.create(session=str(session.pk), timestamp=int(moment.timestamp()))
        replay = tmp_path / f"{moment:%Y-%m-%d}" / f"{session.pk}.cast.gz"
        replay.parent.mkdir(exist_ok=True)
        replay.write_text("")
        os.utime(replay, (moment.timestamp(), moment.timestamp()))
    reports = run("jumpserver", str(tmp_path))
    assert [report.rows for report in reports] == [6, 2, 3]  # commands, sessions, two replays with their directory
    assert (Command.objects.count(), Session.objects.count()) == (3, 1)
    assert [path.name for path in tmp_path.iterdir()] == [f"{YOUNG:%Y-%m-%d}"]
