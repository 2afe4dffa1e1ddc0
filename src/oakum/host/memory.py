"""How much memory the host has, how much is left, and whether it is short of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from oakum.host import cgroup


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Bytes. `limit` is what this process may use at most: the cgroup's limit, or the whole machine."""

    total: int
    available: int
    limit: int


def read(proc: str = "/proc") -> HostMemory:
    """The host's memory now. Where there is no /proc, all that `sysconf` knows."""
    total = available = 0
    try:
        with open(f"{proc}/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemTotal:"):
                    total = int(line.split()[1]) * 1024
                elif line.startswith(b"MemAvailable:"):
                    available = int(line.split()[1]) * 1024
                    break
    except OSError:
        total = available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    hierarchy = cgroup.find(proc)
    limit = cgroup.limit(hierarchy) if hierarchy is not None else None
    return HostMemory(total, available, min(total, limit) if limit is not None else total)


def stalled(proc: str = "/proc") -> float:
    """Share of the last ten seconds in which all work waited for memory (PSI `full avg10`, percent); 0.0 where unknown."""
    try:
        with open(f"{proc}/pressure/memory", "rb") as file:
            for line in file:
                if line.startswith(b"full "):
                    return float(line.split()[1].partition(b"=")[2])
    except (OSError, ValueError, IndexError):
        pass
    return 0.0
