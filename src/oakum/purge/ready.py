"""Purges that are ready to run for what many people have: sessions, logs, results that nobody will ask for again.

That everything there may be old is no question here: none of them asks for `all`.
"""

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


def django_sessions(older_than: Duration, options: Options | None = None) -> list[Report]:
    """Sessions of Django's database back end that expired longer than `older_than` ago."""
    from importlib import import_module

    from django.conf import settings

    model = import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()
    return [_old(model._default_manager.all(), "expire_date", older_than, options)]


def django_admin_log(older_than: Duration, options: Options | None = None) -> list[Report]:
    """Entries of the admin's log."""
    return [_old(_rows("admin.LogEntry"), "action_time", older_than, options)]


def django_celery_results(older_than: Duration, options: Options | None = None) -> list[Report]:
    """Results that django-celery-results keeps, of tasks and of groups."""
    models = ("django_celery_results.TaskResult", "django_celery_results.GroupResult")
    return [_old(_rows(model), "date_done", older_than, options) for model in models]


def celery_database(url: str, older_than: Duration, options: Options | None = None) -> list[Report]:
    """Results that Celery's own database back end keeps, in tables of the usual names."""
    every = replace(options or Options(), all=True)
    return [table(url, name, column="date_done", older_than=older_than, options=every) for name in _CELERY_TABLES]


def celery_redis(url: str, older_than: Duration, options: Options | None = None) -> list[Report]:
    """Results that Celery keeps in Redis without an expiry and that nobody has read for as long."""
    from oakum.purge.redis_keys import RedisKeys

    options = options or Options()
    idle = parse_duration(older_than, name="older_than", zero=True)
    with closing(RedisKeys(url, _CELERY_KEYS, idle, options.clock)) as target:
        return [run(target, options)]


def jumpserver(replays: str, older_than: Duration, options: Options | None = None) -> list[Report]:
    """JumpServer's terminal commands and sessions, and the replay files below the directory `replays`."""
    return [
        _old(_rows("terminal.Command"), "timestamp", older_than, options),
        _old(_rows("terminal.Session"), "date_start", older_than, options),
        files(replays, older_than=older_than, match=("*.gz",), options=options),
    ]


class Ready(NamedTuple):
    """A ready purge as the command line knows it. `source` is what it asks for ("" for nothing); `django`: it needs that."""

    summary: str
    source: str
    django: bool
    run: Callable[[str, Duration, Options], list[Report]]


READY: Final = {
    "django-sessions": Ready("expired rows of django_session", "", True, lambda _, *how: django_sessions(*how)),
    "django-admin-log": Ready("old entries of the admin's log", "", True, lambda _, *how: django_admin_log(*how)),
    "django-celery-results": Ready(
        "old results in django-celery-results", "", True, lambda _, *how: django_celery_results(*how)
    ),
    "celery-database": Ready("old results in Celery's database", "the results' database URL", False, celery_database),
    "celery-redis": Ready("results in Celery's Redis, long unread", "the results' redis:// URL", False, celery_redis),
    "jumpserver": Ready("old commands, sessions, replays of JumpServer", "the replays' directory", True, jumpserver),
}


def _old(rows: QuerySet[Any], column: str, older_than: Duration, options: Options | None) -> Report:
    from oakum.purge.orm.lookups import older_than as filtered

    options = replace(options or Options(), all=True)
    wall = options.clock.wall() - parse_duration(older_than, name="older_than", zero=True)
    return queryset(filtered(rows, column, wall), options=options)


def _rows(model: str) -> QuerySet[Any]:
    from oakum.purge.orm.lookups import rows_of

    return rows_of(model, ())
