"""Control groups that have a memory limit: what they use, at most used, and how often the kernel killed in them.

Formats: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from oakum.host.procfs import read_file
from oakum.units import GIB
from oakum.watch.probe import Reading
from oakum.watch.tables import CGROUPS, UNKNOWN, Entity

_MOST_GROUPS: Final = 64
_MOST_LOOKED_AT: Final = 2000
_LOOK_EVERY_S: Final = 300.0
_LONGEST_FILE: Final = 4096
_NO_LIMIT: Final = GIB << 30  # version 1 writes "none" as a number near 2**63


class _Files(NamedTuple):
    """Where a version of the controller keeps its figures."""

    limit: str
    current: str
    peak: str
    kills: str


_VERSION_1: Final = _Files(
    "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"
)
_VERSION_2: Final = _Files("memory.max", "memory.current", "memory.peak", "memory.events")


class CgroupProbe:
    """Reads the groups below a mount point of control groups; which there are it looks up every five minutes."""

    def __init__(self, root: str = "/sys/fs/cgroup") -> None:
        first = os.path.join(root, "memory")
        self._root, self._files = (first, _VERSION_1) if os.path.isdir(first) else (root, _VERSION_2)
        self._paths: list[str] = []
        self._look_due_s = 0.0

    def read(self, now_s: float) -> Iterator[Reading]:
        """One row for each limited group."""
        if now_s >= self._look_due_s:
            self._look_due_s = now_s + _LOOK_EVERY_S
            self._paths = list(self._limited())[:_MOST_GROUPS]
        rows = {path: self._figures(path) for path in self._paths}
        there = {path: figures for path, figures in rows.items() if figures[1] != UNKNOWN}
        if there:
            columns = list(zip(*there.values(), strict=True))
            yield Reading(CGROUPS, [Entity((), (path,)) for path in there], columns)

    def notes(self) -> Iterator[str]:
        """That there are more limited groups than are recorded."""
        if len(self._paths) == _MOST_GROUPS:
            yield f"only the first {_MOST_GROUPS} control groups with a memory limit are recorded"

    def _limited(self) -> Iterator[str]:
        for directory, below, _ in islice(os.walk(self._root), _MOST_LOOKED_AT):
            below.sort()
            if self._number(directory, self._files.limit) != UNKNOWN:
                yield "/" + os.path.relpath(directory, self._root).removeprefix(".")

    def _figures(self, path: str) -> tuple[int, int, int, int]:
        directory = os.path.join(self._root, path.lstrip("/"))
        files = self._files
        limit, current, peak = (self._number(directory, name) for name in (files.limit, files.current, files.peak))
        return limit, current, peak, self._kills(directory)

    def _kills(self, directory: str) -> int:
        for line in _read(directory, self._files.kills).splitlines():
            word, _, count = line.partition(b" ")
            if word == b"oom_kill":
                return int(count)
        return UNKNOWN

    @staticmethod
    def _number(directory: str, name: str) -> int:
        text = _read(directory, name).strip()
        return int(text) if text.isdigit() and int(text) < _NO_LIMIT else UNKNOWN


def _read(directory: str, name: str) -> bytes:
    return read_file(f"{directory}/{name}", _LONGEST_FILE) or b""  # the group is gone, or its version has no such file
