"""The host as a whole: memory, swap, pressure, load, forks, and what the kernel killed for memory."""

from __future__ import annotations

from collections.abc import Iterator

from oakum.host.procfs import ProcFs
from oakum.watch.probe import Reading
from oakum.watch.tables import HOST, UNKNOWN, Entity

_HOST = Entity((), ("host",))


class HostProbe:
    """Reads a handful of files of a /proc."""

    def __init__(self, procfs: ProcFs) -> None:
        self._procfs = procfs
        self._missing: list[str] = []

    def read(self, now_s: float) -> Iterator[Reading]:  # noqa: ARG002 - a probe's signature
        """One row."""
        figures = {**self._procfs.host()._asdict(), "processes": len(self._procfs.pids())}
        self._missing = [name for name, value in figures.items() if value is None]
        columns = [figures[column.name] for column in HOST.columns]
        yield Reading(HOST, [_HOST], [[UNKNOWN if value is None else value] for value in columns])

    def notes(self) -> Iterator[str]:
        """What this kernel does not tell."""
        if self._missing:
            yield f"this kernel does not tell {', '.join(self._missing)}"
