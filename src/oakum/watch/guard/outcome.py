"""What a guarded command may take, how it ended, and what that means for people and for cron. Pure."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oakum.units import format_duration, format_size

_SEEN_WELL: Final = 0.05  # seconds: of what is over sooner the memory was hardly looked at
EXIT_TIMED_OUT: Final = 124
EXIT_OVER_MEMORY: Final = 137  # 128 + SIGKILL, as after the kernel's own out-of-memory kill
EXIT_CANNOT_RUN: Final = 125
EXIT_NOT_EXECUTABLE: Final = 126
EXIT_NOT_FOUND: Final = 127
EXIT_BUSY: Final = 75  # EX_TEMPFAIL of sysexits.h: come again later


class Reason(StrEnum):
    """Why a guarded run ended."""

    FINISHED = "finished"  # by itself, well or not
    TIMED_OUT = "timed-out"
    OVER_MEMORY = "over-memory"
    INTERRUPTED = "interrupted"  # `oakum run` itself was told to end
    BUSY = "busy"  # another run holds the lock: nothing was started
    NOT_STARTED = "not-started"  # there is no such command, or it may not be executed


@dataclass(frozen=True, slots=True)
class Limits:
    """What the command and everything that it starts may take together. None is no limit."""

    timeout: float | None = None  # seconds
    memory: int | None = None  # bytes
    grace: float = 10.0  # seconds between SIGTERM and SIGKILL
    rlimit: bool = False  # also limit each process from inside (RLIMIT_DATA), so that an allocation fails there
    nice: int = 0

    def broken(self, elapsed: float, memory: int) -> Reason | None:
        """Which limit is passed after `elapsed` seconds with `memory` bytes in use, if any is."""
        if self.memory is not None and memory >= self.memory:
            return Reason.OVER_MEMORY
        if self.timeout is not None and elapsed >= self.timeout:
            return Reason.TIMED_OUT
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a guarded run ended. `status` is the command's own: 0 to 255, or 128 + the signal that ended it."""

    reason: Reason
    status: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0  # the largest sum over the tree that was seen
    rings: tuple[str, ...] = ()  # what watched the memory: "rlimit", "meter", "cgroup"
    left_behind: int = 0  # processes that the command started and did not wait for; they were ended
    kernel_kills: int = 0  # processes that the kernel killed at the limit of their control group
    unkillable: int = 0  # processes that did not end on SIGKILL within the patience that there is

    @property
    def fine(self) -> bool:
        """Whether there is nothing to tell: it ended well and whole, or it was another run's turn."""
        whole = not self.left_behind and not self.unkillable
        return self.reason is Reason.BUSY or (self.reason is Reason.FINISHED and self.status == 0 and whole)

    @property
    def exit_status(self) -> int:
        """What `oakum run` exits with: the command's own status, and where it has none what coreutils' `timeout` says.

        A command that had to be killed after its time limit gives 137, as `timeout -k` does.
        """
        if self.reason is Reason.TIMED_OUT:
            return 128 + signal.SIGKILL if self.status == 128 + signal.SIGKILL else EXIT_TIMED_OUT
        if self.reason is Reason.OVER_MEMORY:
            return EXIT_OVER_MEMORY
        if self.reason is Reason.BUSY:
            return EXIT_BUSY
        return self.status


def status_of(wait_status: int) -> int:
    """The exit status that a shell would give for what waitpid(2) answered."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def describe(command: Sequence[str], limits: Limits, outcome: Outcome) -> str:
    """One line for the mail that cron sends: which command, what happened, its numbers."""
    name = shlex.quote(command[0])
    if outcome.reason is Reason.NOT_STARTED:
        why = "no such command" if outcome.status == EXIT_NOT_FOUND else "cannot be executed"
        return f"{name}: {why}"
    return f"{name}: {_what_happened(limits, outcome)} ({', '.join(_numbers(outcome))})"


def _what_happened(limits: Limits, outcome: Outcome) -> str:
    reason, status = outcome.reason, outcome.status
    if reason is Reason.TIMED_OUT and limits.timeout is not None:
        return f"ended at its time limit of {format_duration(limits.timeout)}"
    if reason is Reason.OVER_MEMORY and limits.memory is not None:
        return f"killed at its memory limit of {format_size(limits.memory)}"
    if reason is Reason.INTERRUPTED:
        return "ended because oakum run was told to end"
    if status - 128 in signal.valid_signals():
        return f"ended by {_signal_name(status - 128)}"
    return f"failed with status {status}" if status else "ended well"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time one


def _numbers(outcome: Outcome) -> list[str]:
    words = [f"after {format_duration(outcome.seconds)}", f"CPU {format_duration(outcome.cpu_seconds)}"]
    if outcome.seconds >= _SEEN_WELL:
        words.append(f"peak memory {format_size(outcome.peak_bytes)}")
    if outcome.rings:
        words.append(f"memory held by {' and '.join(outcome.rings)}")
    if outcome.left_behind:
        words.append(f"{outcome.left_behind} left behind, ended")
    if outcome.unkillable:
        words.append(f"{outcome.unkillable} do not end")
    return words
