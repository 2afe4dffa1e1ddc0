"""OAK107 cron-unguarded: cron starts a long command again and again, with no time limit and no lock.

What it says
    A command that cron starts took long, or two runs of it lived at once, and nothing ends it or keeps the next one
    out: one that hangs is joined by another at the next tick.

How it judges
    What cron runs is read from the crontabs that the recorder saw, and from the processes (`sh -c COMMAND` below cron):
    a log of `ps` has only these. It is long when a run lived for ten minutes, or for half the time until the next one. Guards that it
    knows: `oakum run`, `timeout`, `flock`, `run-one`, `solo`, `systemd-run`.

What to do
    `oakum run --install-cron` shows the crontab with guards in it.

Bad
    `*/5 * * * * python manage.py poll`, of which runs take 20 minutes.

Good
    `*/5 * * * * oakum run --timeout 4m --lock poll -- python manage.py poll`; a job that is over in a second.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from oakum.model.finding import Finding, Severity
from oakum.units import format_duration
from oakum.watch.crontab import interval
from oakum.watch.families import fold
from oakum.watch.guard.cron import simple_command
from oakum.watch.history import CronJob
from oakum.watch.rules.case import Case, Group

CODE: Final = "OAK107"
NAME: Final = "cron-unguarded"

_LONG_S: Final = 600.0
_LONG_SHARE: Final = 0.5
_SHELLS: Final = ("/bin/sh", "sh", "/bin/bash", "/bin/dash")
_SHELL: Final = re.compile(r"(?:/bin/|/usr/bin/)?(?:ba|da)?sh -c (?P<command>.+)", re.DOTALL)
_GUARD: Final = re.compile(r"(?:^|[\s;&|(/])(?:oakum\s+run|timeout|flock|run-one|solo|systemd-run)\s")


def find(case: Case) -> Iterator[Finding]:
    """One finding for each unguarded command that ran long, or twice at once."""
    jobs = {command: job for job in case.history.cron_jobs for command in _seen_as(job)}
    for group in case.groups:
        job = jobs.get(group.family) if case.started_by_cron(group.members[0]) else None
        command = job.command if job is not None else _cron_command(case, group)
        if command is not None and not _GUARD.search(command):
            yield from _judge(case, group, command, job)


def _judge(case: Case, group: Group, command: str, job: CronJob | None) -> Iterator[Finding]:
    longest = max(case.age(process) for process in group.members)
    every_s = interval(job.schedule) if job is not None else _interval(group)
    at_once = _most_at_once(group)
    if longest < min(_LONG_S, _LONG_SHARE * (every_s or _LONG_S)) and at_once < 2:
        return
    every = f", started every {format_duration(every_s)}," if every_s is not None else ""
    place = f" ({job.path}, line {job.line}, user {job.user})" if job is not None else ""
    yield Finding(
        code=CODE,
        name=NAME,
        severity=Severity.WARNING if at_once > 1 else Severity.INFO,
        subject=fold(command),
        message=f"cron runs `{command[:200]}`{place}{every} without a time limit and a lock; the longest run lived "
        f"{format_duration(longest)}{f', and {at_once} lived at once' if at_once > 1 else ''}",
        evidence={"longest_seconds": round(longest), "at_once": at_once, "interval_seconds": every_s},
        mend=_mend(job),
        where={} if job is None else {"path": job.path, "line": job.line, "user": job.user},
    )


def _mend(job: CronJob | None) -> str:
    if job is None or not job.path.startswith("/etc/"):
        whose = "" if job is None else f" (as user {job.user})"
        return f"guard it: `oakum run --install-cron`{whose} shows how"
    return f"guard it: `oakum run --install-cron {job.path}` shows how"


def _seen_as(job: CronJob) -> Iterator[str]:
    """The families that its processes may have: cron's shell, or the command where that shell gave way to it."""
    yield from (fold(f"{shell} -c {job.command}") for shell in _SHELLS)
    command = simple_command(job.command)
    if command is not None:
        yield fold(command)


def _cron_command(case: Case, group: Group) -> str | None:
    """What cron handed to its shell, where that is what this family is."""
    match = _SHELL.fullmatch(group.members[0].name)
    return match["command"] if match is not None and case.started_by_cron(group.members[0]) else None


def _interval(group: Group) -> float | None:
    """The smallest number of seconds between two starts, where enough were seen."""
    starts = [process.key.start_s for process in group.members]
    gaps = [later - earlier for earlier, later in pairwise(starts) if later > earlier]
    return float(min(gaps)) if len(gaps) > 1 else None


def _most_at_once(group: Group) -> int:
    alive: Counter[int] = Counter()
    for process in group.members:
        alive.update(process.ticks)
    return max(alive.values())
