"""OAK106 workers-never-recycle: a pool of workers without an end to each worker.

What it says
    gunicorn, uWSGI or Celery runs workers that are never replaced, or all at the same moment: what a worker leaks, it
    keeps for ever.

How it judges
    By the command line, and only where that decides: with a file of settings (`-c`, `--ini`), and for Celery pools that
    have no children (threads, gevent, eventlet, solo), it says nothing. It is a warning where a worker of the pool is
    seen to grow (as in OAK101), a remark elsewhere.

What to do
    gunicorn: `--max-requests 1000 --max-requests-jitter 100`. Celery: `--max-tasks-per-child 1000
    --max-memory-per-child 300000` (KiB). uWSGI: `--max-requests 1000 --max-requests-delta 100`.

Bad
    `gunicorn --workers 4 site.wsgi`, of which a worker grows by 5 MB an hour.

Good
    `gunicorn --max-requests 1000 --max-requests-jitter 100 site.wsgi`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from oakum.model.finding import Finding, Severity
from oakum.watch.rules.case import Case, pids
from oakum.watch.rules.growing import growing

CODE: Final = "OAK106"
NAME: Final = "workers-never-recycle"

_LAUNCHER: Final = r"(?:(?:\S*/)?python[\d.]*\s+(?:-m\s+)?)?(?:\S*/)?"


class _Server(NamedTuple):
    """One kind of server: how its command line is known, where it is not decisive, and what ends and spreads workers."""

    name: str
    command: re.Pattern[str]
    undecided: re.Pattern[str]
    ends: re.Pattern[str]
    spreads: re.Pattern[str]
    mend: str


_SERVERS: Final = (
    _Server(
        "gunicorn",
        re.compile(_LAUNCHER + r"gunicorn(?!:)\s"),
        re.compile(r"\s(?:-c|--config)[\s=]"),
        re.compile(r"\s--max-requests[\s=][1-9]"),
        re.compile(r"\s--max-requests-jitter[\s=][1-9]"),
        "--max-requests 1000 --max-requests-jitter 100",
    ),
    _Server(
        "Celery",
        re.compile(_LAUNCHER + r"celery\s(?:.*\s)?worker\b"),
        re.compile(r"\s(?:-P|--pool)[\s=]?(?:threads|gevent|eventlet|solo)"),
        re.compile(r"\s--max-(?:tasks|memory)-per-child[\s=][1-9]"),
        re.compile(r""),  # tasks end at moments of their own
        "--max-tasks-per-child 1000 --max-memory-per-child 300000",
    ),
    _Server(
        "uWSGI",
        re.compile(_LAUNCHER + r"uwsgi\s"),
        re.compile(r"\s--(?:ini|yaml|yml|xml|json|emperor)\b|\S+\.(?:ini|ya?ml|xml|json)\b"),
        re.compile(r"\s--(?:max-requests|reload-on-rss|max-worker-lifetime)[\s=][1-9]"),
        re.compile(r"\s--(?:max-requests-delta|reload-on-rss|max-worker-lifetime-delta)[\s=][1-9]"),
        "--max-requests 1000 --max-requests-delta 100",
    ),
)


def find(case: Case) -> Iterator[Finding]:
    """One finding for each command line that starts a pool of endless workers now."""
    for group in case.groups:
        up = case.lasting(group)
        server = next((each for each in _SERVERS if up and each.command.match(up[0].name)), None)
        if server is None or case.went_down(case.boot(group)) is not None or server.undecided.search(up[0].name):
            continue
        command = up[0].name
        if server.ends.search(command) and server.spreads.search(command):
            continue
        grows = growing(case, group) is not None
        lack = "are all replaced at about the same time" if server.ends.search(command) else "are never replaced"
        yield Finding(
            code=CODE,
            name=NAME,
            severity=Severity.WARNING if grows else Severity.INFO,
            subject=group.family,
            message=f"{server.name}'s workers {lack}{', and they grow' if grows else ''}: `{command}`",
            evidence={"processes": len(up), "growing": grows, "pids": pids(up)},
            mend=f"add `{server.mend}`",
            where={"pid": up[0].key.pid, "user": up[0].identity.user},
        )
