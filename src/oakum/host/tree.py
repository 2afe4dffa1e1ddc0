"""Which processes a process has, and how much memory they hold."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
LINUX: Final = sys.platform == "linux"


def children(pid: int) -> list[int]:
    """The direct children of a process, those of all its threads; empty when it is gone.

    Reads `/proc/PID/task/*/children` (proc(5); CONFIG_PROC_CHILDREN, set in every distribution's kernel).
    """
    found: list[int] = []
    with contextlib.suppress(OSError):  # it ended while we looked
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())  # of a thread that ended while we looked, another has them now
    return found


def descendants(pid: int) -> list[int]:
    """All processes below a process, the process itself not among them. A snapshot: more may start while it is taken."""
    found: list[int] = []
    waiting = children(pid)
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += children(each)
    return found


def resident(pid: int) -> int | None:
    """Resident bytes of a process (statm, second field), None when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.read(128).split()[1]) * PAGE
    except (OSError, IndexError):
        return None


def private(pid: int) -> int | None:
    """Bytes that only this process holds (Private_* of smaps_rollup), None when it is gone or may not be read.

    Dear: about 5 ms for each resident gigabyte.
    """
    return _rollup(pid, (b"Private_Clean:", b"Private_Dirty:", b"Private_Hugetlb:"))


def proportional(pid: int) -> int | None:
    """PSS in bytes: shared pages divided among those who share them. As dear as `private`."""
    return _rollup(pid, (b"Pss:",))


def _rollup(pid: int, names: tuple[bytes, ...]) -> int | None:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (stat, field 22): with its pid it names it beyond reuse.

    None when there is none, and for a zombie, which has ended and only waits to be reaped.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if len(fields) < 20 or fields[0] in (b"Z", b"X") else int(fields[19])
