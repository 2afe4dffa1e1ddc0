"""OAK107 cron-unguarded: cron starts a long command again and again, with no time limit and no lock.

What it says
    A command that cron starts took long, or two runs of it lived at once, and nothing ends it or keeps the next one
    out: one that hangs is joined by another at the next tick.

How it judges
    What cron runs is read from the processes (`sh -c COMMAND` below cron) and, where they are at hand, from the lines
    of crontabs. It is long when a run lived for ten minutes, or for half the time until the next one. Guards that it
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
from oakum.watch.families import fold
from oakum.watch.rules.case import Case, Group

CODE: Final = "OAK107"
NAME: Final = "cron-unguarded"

_LONG_S: Final = 600.0
_LONG_SHARE: Final = 0.5
_SHELL: Final = re.compile(r"(?:/bin/|/usr/bin/)?(?:ba|da)?sh -c (?P<command>.+)", re.DOTALL)
_GUARD: Final = re.compile(r"(?:^|[\s;&|(/])(?:oakum\s+run|timeout|flock|run-one|solo|systemd-run)\s")


def find(case: Case) -> Iterator[Finding]:
    """One finding for each unguarded command that ran long, or twice at once."""
    lines = {fold(line.command): line for line in case.crontab}
    for group in case.groups:
        command = _cron_command(case, group)
        if command is None or _GUARD.search(command):
            continue
        line = lines.get(fold(command))
        longest = max(case.age(process) for process in group.members)
        interval = line.interval if line is not None else _interval(group)
        at_once = _most_at_once(group)
        if longest < min(_LONG_S, _LONG_SHARE * (interval or _LONG_S)) and at_once < 2:
            continue
        every = f", started every {format_duration(interval)}," if interval is not None else ""
        yield Finding(
            code=CODE,
            name=NAME,
            severity=Severity.WARNING if at_once > 1 else Severity.INFO,
            subject=fold(command),
            message=f"cron runs `{command[:200]}`{every} without a time limit and a lock; the longest run lived "
            f"{format_duration(longest)}{f', and {at_once} lived at once' if at_once > 1 else ''}",
            evidence={"longest_seconds": round(longest), "at_once": at_once, "interval_seconds": interval},
            mend="guard it: `oakum run --install-cron` shows how",
            where={} if line is None else {"line": line.number},
        )


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
