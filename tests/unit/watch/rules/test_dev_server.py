"""Development servers that serve."""

from __future__ import annotations

import pytest
from tests.support.histories import Days, found

from oakum.model.finding import Severity
from oakum.watch.rules import dev_server


@pytest.mark.parametrize(
    "command",
    [
        "python manage.py runserver 0.0.0.0:8000",
        "/srv/venv/bin/python3.11 -u /srv/site/manage.py runserver",
        "python -m flask --app x run",
        "/usr/bin/flask run --host=0.0.0.0",
        "uvicorn app:app --reload",
        "python3 -m http.server 80",
        "php -S 0.0.0.0:80",
        "php artisan serve",
        "node /srv/node_modules/.bin/vite --host",
        "node node_modules/.bin/next dev",
    ],
)
def test_a_development_server_that_serves_is_a_finding(command):
    days = Days()
    days.process(command)
    [finding] = found(dev_server, days)
    assert finding.severity is Severity.WARNING
    assert command in finding.message


@pytest.mark.parametrize(
    "command",
    ["gunicorn site.wsgi", "python manage.py migrate", "uvicorn app:app", "grep runserver x", "vim manage.py", "node vite build"],
)  # fmt: skip
def test_other_commands_are_no_development_servers(command):
    days = Days()
    days.process(command)
    assert found(dev_server, days) == []


def test_a_development_server_of_this_hour_is_somebody_developing():
    days = Days()
    days.process("flask run", start=47.7)
    days.process("python manage.py runserver", start=40)
    assert [finding.severity for finding in found(dev_server, days)] == [Severity.INFO]
