"""OAK105 dev-server: a development server is serving.

What it says
    `manage.py runserver`, `flask run` and their like have been up for hours: which one, since when, how large.

How it judges
    By the command line alone, and only programs whose own manuals say that they are for development; at least half an
    hour old. It is a warning from 12 hours on, a remark before, for a developer's machine is no server.

What to do
    Serve it with gunicorn or uvicorn: `gunicorn --workers 2 --max-requests 1000 --max-requests-jitter 100 app.wsgi`.

Bad
    `python manage.py runserver 0.0.0.0:8000`, up for 40 days.

Good
    `gunicorn site.wsgi`; a `runserver` of the last ten minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from oakum.model.finding import Finding, Severity
from oakum.units import format_duration, format_size
from oakum.watch.rules.case import Case

CODE: Final = "OAK105"
NAME: Final = "dev-server"

_LEAST_AGE_S: Final = 1800.0
_SERVER_AGE_S: Final = 12 * 3600.0
_INTERPRETER: Final = r"(?:\S*/)?(?:python[\d.]*|php[\d.]*|node|ruby[\d.]*|bun)\s(?:-\S+\s)*"
_SERVERS: Final = {
    "Django's runserver": r"\S*manage\.py\s+runserver(?:_plus)?\b|\S*django-admin\s+runserver\b|-m\s+django\s+runserver\b",
    "Flask's development server": r"\S*flask\s(?:.*\s)?run\b|-m\s+flask\s(?:.*\s)?run\b",
    "a server that reloads": r"\S*(?:uvicorn|gunicorn|hypercorn)\s.*--reload\b|\S*fastapi\s+dev\b",
    "Python's http.server": r"-m\s+(?:http\.server|SimpleHTTPServer)\b",
    "PHP's built-in server": r"-S\s+\S+:\d+|\S*artisan\s+serve\b",
    "a bundler's development server": r"\S*(?:webpack|rspack)\s+serve\b|\S*(?:webpack-dev-server|vite|next\s+dev|ng\s+serve)\b(?!.*\bbuild\b)",
}
_PATTERNS: Final = {name: re.compile(f"(?:{_INTERPRETER})?(?:{pattern})") for name, pattern in _SERVERS.items()}


def find(case: Case) -> Iterator[Finding]:
    """One finding for each family of development servers that is up now."""
    for group in case.groups:
        up = [process for process in case.lasting(group) if case.age(process) >= _LEAST_AGE_S]
        kind = next((name for name, pattern in _PATTERNS.items() if up and pattern.match(up[0].name)), None)
        if kind is None or case.went_down(case.boot(group)) is not None:
            continue
        oldest = up[0]
        age = case.age(oldest)
        held = sum(process.last("rss") or 0 for process in up)
        yield Finding(
            code=CODE,
            name=NAME,
            severity=Severity.WARNING if age >= _SERVER_AGE_S else Severity.INFO,
            subject=group.family,
            message=f"{kind} has been serving for {format_duration(age)}: `{oldest.name}` (pid {oldest.key.pid}, "
            f"{format_size(held)}); it is made for development, not for load, faults or attacks",
            evidence={"seconds": round(age), "held_bytes": held, "processes": len(up)},
            mend="serve it with a server made for it, such as: "
            "`gunicorn --workers 2 --max-requests 1000 --max-requests-jitter 100 PROJECT.wsgi`",
            where={"pid": oldest.key.pid, "user": oldest.identity.user},
        )
