"""The host's crontabs, line by line, once an hour: so that a report can say which line starts what, elsewhere and later."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from oakum.units import KIB
from oakum.watch.crontab import read_crontab
from oakum.watch.families import printable
from oakum.watch.probe import Reading
from oakum.watch.tables import CRONTABS, Entity

_LOOK_EVERY_S: Final = 3600.0
_LARGEST_FILE: Final = 64 * KIB
_MOST_LINES: Final = 500
_SYSTEM: Final = ("etc/crontab", "etc/cron.d")
_USERS: Final = ("var/spool/cron/crontabs", "var/spool/cron", "etc/crontabs")  # of Debian, of Red Hat, of Alpine
_READ_BY_CRON: Final = re.compile(r"[A-Za-z0-9_-]+")  # cron passes over other names in cron.d (cron(8))


class CrontabProbe:
    """Reads the crontabs below `root`: of the system, and of users where it may."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._due_s = 0.0
        self._hidden = False

    def read(self, now_s: float) -> Iterator[Reading]:
        """One row for each job, with the number of its line."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + _LOOK_EVERY_S
        self._hidden = False
        rows = dict(islice(self._jobs(), _MOST_LINES))
        if rows:
            yield Reading(CRONTABS, list(rows), [list(rows.values())])

    def notes(self) -> Iterator[str]:
        """What this user may not see."""
        if self._hidden:
            yield "the crontabs of other users are not visible: record as root to see them"

    def _jobs(self) -> Iterator[tuple[Entity, int]]:
        for places in (_SYSTEM, _USERS):
            for name in (name for place in places for name in self._files(place)):
                for job in read_crontab(self._text(name), system=places is _SYSTEM):
                    schedule, user = " ".join(job.schedule.split()), job.user or os.path.basename(name)
                    yield Entity((), (f"/{name}", schedule, user, printable(job.command))), job.number

    def _files(self, place: str) -> Iterator[str]:
        path = os.path.join(self._root, place)
        if not os.path.isdir(path):
            yield place
            return
        try:
            names = sorted(os.listdir(path))
        except PermissionError:
            self._hidden = True
            return
        yield from (f"{place}/{name}" for name in names if _READ_BY_CRON.fullmatch(name))

    def _text(self, name: str) -> str:
        try:
            with open(os.path.join(self._root, name), encoding="utf-8", errors="replace") as file:
                return file.read(_LARGEST_FILE)
        except PermissionError:
            self._hidden = True
        except OSError:
            pass  # there is no such file, or it is a directory
        return ""
