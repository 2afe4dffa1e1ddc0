"""What a process of a worker asks of the kernel for itself and its children: prctl, pidfds, signals by pidfd."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
INTERRUPT: Final = getattr(signal, "SIGRTMIN", signal.SIGTERM) + 7
"""The signal by which a supervisor interrupts a job: one that neither Python nor common libraries use."""


SHOW_STACK: Final = signal.SIGUSR2
"""The signal at which a child's faulthandler writes its stacks."""
LOST_CHANNEL: Final = 70
"""The exit status (EX_SOFTWARE) of a child that can no longer be heard, because its descriptors were closed under it."""


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent ends (PR_SET_PDEATHSIG, prctl(2)); ends at once if it has ended."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def become_subreaper() -> None:
    """Orphans below this process become its own children instead of init's (PR_SET_CHILD_SUBREAPER)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str, title: str) -> None:
    """The name (up to 15 bytes) and the command line that `ps` and `top` show; nothing where the platform has none.

    A forked process bears its parent's command line, and who looks for that one would find this: the kernel reads it out
    of the process's own memory (arg_start and arg_end, fields 48 and 49 of /proc/PID/stat), so it is written there.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        with open("/proc/self/comm", "w") as file:
            file.write(name[:15])
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        if end - start > 1:
            ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)


def note_only(*numbers: signal.Signals) -> None:
    """Has signals do nothing here, yet act as usual in programs started from here, unlike SIG_IGN, which is inherited."""
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)


def kill_group(leader: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signals a process group; nobody left to hear it is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
