"""Who a process is, beyond doubt: host, boot, pid namespace, pid and the moment it started."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from oakum.host.tree import start_ticks


@dataclass(frozen=True, slots=True)
class Process:
    """A process of some host. `start` is in clock ticks since boot; 0 and "" where the platform does not tell."""

    host: str
    boot_id: str
    pid_namespace: int
    pid: int
    start: int


def myself() -> Process:
    """This process."""
    return Process(platform.node(), boot_id(), _pid_namespace(), os.getpid(), start_ticks(os.getpid()) or 0)


def boot_id() -> str:
    """The kernel's random name for this boot, "" where there is none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def is_gone(process: Process, here: Process) -> bool | None:
    """Whether a process has ended, as seen from `here`; None when it cannot be told from here: on another host, in another
    namespace, or under another boot id, which an earlier life of this host has as well as another host of its name."""
    if process.host != here.host or process.boot_id != here.boot_id or not process.boot_id:
        return None
    if process.pid_namespace != here.pid_namespace:
        return None
    return start_ticks(process.pid) != process.start


def _pid_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0
