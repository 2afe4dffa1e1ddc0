"""What a process tree takes, seen from outside."""

from __future__ import annotations

import os
import re

from oakum.host.tree import descendants, proportional, resident

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *descendants(pid)]


def pss(pids: list[int]) -> int:
    """Proportional set size of all together, in bytes."""
    return sum(proportional(pid) or 0 for pid in pids)


def rss(pids: list[int]) -> int:
    """Resident bytes of all together; pages that they share count several times."""
    return sum(resident(pid) or 0 for pid in pids)


def peak(pid: int) -> int:
    """The most resident bytes that a process has had since its program was started (VmHWM), 0 for one that has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            found = re.search(r"^VmHWM:\s+(\d+) kB$", file.read(), re.MULTILINE)
    except ProcessLookupError:
        return 0
    return int(found[1]) * 1024 if found else 0


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far, with those of children that it has reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) * _TICK_S


def tree_cpu_s(pid: int) -> float:
    """The same of a process and all below it."""
    return sum(cpu_s(each) for each in tree(pid))


def side_threads_cpu_s(pid: int) -> float:
    """Processor seconds of all threads of a process but its main one, to the nanosecond (schedstat)."""
    total = 0.0
    for thread in os.listdir(f"/proc/{pid}/task"):
        if thread != str(pid):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0]) / 1e9
    return total


def busy_s() -> float:
    """Seconds that this machine's processors have been busy so far, on the average of them."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, *interrupts = map(int, file.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) * _TICK_S / (os.cpu_count() or 1)
