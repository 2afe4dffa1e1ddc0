"""What a rule may look at, and the questions about processes that several rules ask. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from oakum.watch.guard.runlog import Run
from oakum.watch.history import Boot, History
from oakum.watch.series import ProcessSeries

_CRON: Final = frozenset(("cron", "crond", "CRON", "anacron", "fcron", "dcron", "busybox crond"))
_SESSION: Final = re.compile(
    r"-?(?:/\S*/)?(?:ba|z|k|c|tc|da|fi)?sh(?:\s+-[il]+)*"  # a shell that waits for somebody to type
    r"|\S*/?(?:sshd|tmux|screen|su|sudo|login|getty|agetty|vim?|nano|emacs|less|more|man|top|htop|watch|tail|ssh|mosh-server)"
    r"\b.*|\S*systemd --user|\(sd-pam\)"
)


class Group(NamedTuple):
    """The processes of one family in one boot, in order of their start."""

    family: str
    boot: int
    members: list[ProcessSeries]


@dataclass(frozen=True)
class Case:
    """A history with the runs of `oakum run` beside it, and what several rules want to know of them."""

    history: History
    runs: Sequence[Run] = ()

    @cached_property
    def groups(self) -> list[Group]:
        """All families of user processes, newest boot first, so that the newest finding about a family comes first."""
        grouped: dict[tuple[int, str], list[ProcessSeries]] = {}
        for process in self.history.processes.values():
            if not _is_kernel(process):
                grouped.setdefault((-process.key.boot, process.family), []).append(process)
        return [
            Group(family, -boot, sorted(grouped[boot, family], key=lambda process: process.key.start_s))
            for boot, family in sorted(grouped)
        ]

    def lives(self, family: str) -> list[Group]:
        """A family in each of the boots that it lived in, the newest first."""
        return self._families[family]

    def earlier(self, group: Group) -> Group | None:
        """The same family in the boot before."""
        return next((each for each in self.lives(group.family) if each.boot == group.boot - 1), None)

    def boot(self, group: Group) -> Boot:
        """The boot that a group lived in."""
        return self.history.boots[group.boot]

    def window(self, boot: Boot) -> tuple[float, float]:
        """When the record of a boot begins and ends, in seconds since 1970."""
        return self.history.times[boot.first_tick], self.history.times[boot.last_tick]

    def lasting(self, group: Group) -> list[ProcessSeries]:
        """The members that were alive when their boot was last looked at: now, or just before the host went down."""
        last = self.boot(group).last_tick
        return [process for process in group.members if process.ticks[-1] == last]

    def age(self, process: ProcessSeries) -> float:
        """Seconds that a process had lived when it was last seen."""
        return self.history.times[process.ticks[-1]] - process.key.start_s

    def watched(self, process: ProcessSeries) -> float:
        """Seconds between a process's first sample and its last."""
        return self.history.times[process.ticks[-1]] - self.history.times[process.ticks[0]]

    def resident(self) -> int:
        """Bytes that all processes held together when they were last looked at."""
        return sum(process.last("rss") or 0 for process in self.history.alive())

    def started_by_cron(self, process: ProcessSeries) -> bool:
        """Whether a cron daemon is among its ancestors; what was started with the host itself does not count."""
        boot = self.history.boots[process.key.boot]
        if boot.started_s is not None and process.key.start_s < boot.started_s + 120:
            return False
        seen = {process.key.pid}
        ppid = process.identity.ppid
        while ppid not in seen and (parent := self._parents.get((process.key.boot, ppid))) is not None:
            if parent.identity.comm in _CRON:
                return True
            seen.add(ppid)
            ppid = parent.identity.ppid
        return False

    def went_down(self, boot: Boot) -> float | None:
        """When the host went down after this boot, in seconds since 1970; None for the one that is up."""
        return None if boot is self.history.boots[-1] else self.history.times[boot.last_tick]

    @cached_property
    def _families(self) -> dict[str, list[Group]]:
        families: dict[str, list[Group]] = {}
        for group in self.groups:
            families.setdefault(group.family, []).append(group)
        return families

    @cached_property
    def _parents(self) -> dict[tuple[int, int], ProcessSeries]:
        return {(process.key.boot, process.key.pid): process for process in self.history.processes.values()}


def is_session(process: ProcessSeries) -> bool:
    """Whether somebody sits in front of it: login shells, editors, pagers. They may live long and do nothing."""
    return _SESSION.fullmatch(process.identity.args or process.identity.comm) is not None


def pids(processes: list[ProcessSeries], most: int = 20) -> list[int]:
    """The numbers of the first `most` processes, for a finding's evidence."""
    return [process.key.pid for process in processes[:most]]


def known(process: ProcessSeries, name: str, since: int = 0) -> Iterator[int]:
    """The known figures of a column from the sample `since` on."""
    return (value for value in (process.column(name) or ())[since:] if value >= 0)


def _is_kernel(process: ProcessSeries) -> bool:
    return process.key.pid == 2 or process.identity.ppid == 2 or process.identity.args.startswith("[")
