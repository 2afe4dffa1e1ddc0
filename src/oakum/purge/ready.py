"""Purges that are ready to run for what many people have: sessions, logs, results that nobody will ask for again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from oakum.purge.api import files, queryset, table
from oakum.purge.loop import run
from oakum.purge.options import Options, Report
from oakum.units import Duration, parse_duration

if TYPE_CHECKING:
    from django.db.models import QuerySet

_CELERY_TABLES: Final = ("celery_taskmeta", "celery_tasksetmeta")
_CELERY_KEYS: Final = ("celery-task-meta-", "celery-taskset-meta-")


class Ready(NamedTuple):
    """A ready purge: what it deletes, which source it asks for ("" where Django's settings say all), how it runs."""

    summary: str
    source: str
    run: Callable[[str, Duration, Options], list[Report]]


def django_sessions(_: str, older_than: Duration, options: Options) -> list[Report]:
    """Sessions of Django's database back end that expired longer than `older_than` ago."""
    from importlib import import_module

    from django.conf import settings

    model = import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()
    return [_old(model._default_manager.all(), "expire_date", older_than, options)]


def django_admin_log(_: str, older_than: Duration, options: Options) -> list[Report]:
    """Entries of the admin's log."""
    return [_old(_model("admin", "LogEntry"), "action_time", older_than, options)]


def django_celery_results(_: str, older_than: Duration, options: Options) -> list[Report]:
    """Results that django-celery-results keeps, of tasks and of groups."""
    names = ("TaskResult", "GroupResult")
    return [_old(_model("django_celery_results", name), "date_done", older_than, options) for name in names]


def celery_database(url: str, older_than: Duration, options: Options) -> list[Report]:
    """Results that Celery's own database back end keeps, in tables of the usual names."""
    everything = replace(options, all=True)
    return [table(url, name, column="date_done", older_than=older_than, options=everything) for name in _CELERY_TABLES]


def celery_redis(url: str, older_than: Duration, options: Options) -> list[Report]:
    """Results that Celery keeps in Redis without an expiry and that nobody has read for as long."""
    from oakum.purge.redis_keys import RedisKeys

    idle = parse_duration(older_than, name="older_than", zero=True)
    with closing(RedisKeys(url, _CELERY_KEYS, idle, options.clock)) as target:
        return [run(target, options)]


def jumpserver(replays: str, older_than: Duration, options: Options) -> list[Report]:
    """JumpServer's terminal sessions, their commands, and the replay files below `replays`."""
    return [
        _old(_model("terminal", "Command"), "timestamp", older_than, options),
        _old(_model("terminal", "Session"), "date_start", older_than, options),
        files(replays, older_than=older_than, match=("*.gz",), options=options),
    ]


READY: Final = {
    "django-sessions": Ready("expired rows of django_session", "", django_sessions),
    "django-admin-log": Ready("old entries of the admin's log", "", django_admin_log),
    "django-celery-results": Ready("old results in django-celery-results", "", django_celery_results),
    "celery-database": Ready(
        "old results in Celery's database back end", "the back end's database URL", celery_database
    ),
    "celery-redis": Ready("old results in Celery's Redis back end", "the back end's redis:// URL", celery_redis),
    "jumpserver": Ready("old sessions, commands and replays of JumpServer", "the directory of the replays", jumpserver),
}


def _old(rows: QuerySet[Any], column: str, older_than: Duration, options: Options) -> Report:
    """Purges what is old of `rows`; that all of them may be old is nothing to ask about here."""
    from oakum.purge.orm.lookups import older_than as filtered

    wall = options.clock.wall() - parse_duration(older_than, name="older_than", zero=True)
    return queryset(filtered(rows, column, wall), options=replace(options, all=True))


def _model(app: str, name: str) -> QuerySet[Any]:
    from oakum.purge.orm.lookups import rows_of

    return rows_of(f"{app}.{name}", ())
