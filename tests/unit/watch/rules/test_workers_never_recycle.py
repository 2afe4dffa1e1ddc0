"""Workers without an end to each."""

from __future__ import annotations

import pytest
from tests.support.histories import Days, found, leak

from oakum.model.finding import Severity
from oakum.watch.rules import workers_never_recycle


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("/srv/venv/bin/python /srv/venv/bin/gunicorn --workers 4 site.wsgi", "gunicorn's workers are never replaced"),
        ("gunicorn --max-requests 1000 site.wsgi", "gunicorn's workers are all replaced at about the same time"),
        ("celery -A site worker -l info", "Celery's workers are never replaced"),
        ("python -m celery -A site worker --pool prefork", "Celery's workers are never replaced"),
        ("uwsgi --http :80 --processes 4", "uWSGI's workers are never replaced"),
    ],
)
def test_endless_workers_are_remarked(command, says):
    days = Days()
    days.process(command)
    [finding] = found(workers_never_recycle, days)
    assert finding.severity is Severity.INFO
    assert says in finding.message


def test_endless_workers_that_grow_are_a_warning():
    days = Days()
    days.process("gunicorn site.wsgi")
    days.process("gunicorn site.wsgi", leak(5))
    [finding] = found(workers_never_recycle, days)
    assert finding.severity is Severity.WARNING
    assert "and they grow" in finding.message


@pytest.mark.parametrize(
    "command",
    [
        "gunicorn --max-requests 1000 --max-requests-jitter 100 site.wsgi",
        "gunicorn -c conf.py site.wsgi",
        "gunicorn: master [site]",
        "celery -A site worker --max-tasks-per-child=100",
        "celery -A site worker -P gevent",
        "celery -A site worker --pool=threads",
        "celery -A site beat",
        "uwsgi --ini site.ini",
        "uwsgi --http :80 --max-requests 100 --max-requests-delta 10",
    ],
)
def test_workers_that_end_or_whose_settings_are_elsewhere_are_left_alone(command):
    days = Days()
    days.process(command, leak(5))
    assert found(workers_never_recycle, days) == []
