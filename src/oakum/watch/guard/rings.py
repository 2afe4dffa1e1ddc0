"""What holds a guarded command's memory: a limit inside it, a meter outside it, the kernel around it."""

from __future__ import annotations

import os
import resource
from types import TracebackType
from typing import Final, Self

from oakum.host import cgroup, tree
from oakum.host.process import die_with
from oakum.watch.guard.orphans import GROUP_PREFIX
from oakum.watch.guard.outcome import Limits

_FASTEST_GROWTH: Final = 4e9  # bytes a second that processes can touch: the next look comes before the limit can
_LOOK_PAUSES: Final = (0.002, 0.1)  # seconds between two looks at the memory where it is limited
_FREE_PAUSES: Final = (0.01, 1.0)  # and where it is not: soon for short commands, seldom for long ones


def pause_before_look(limit: int | None, used: int, elapsed: float) -> float:
    """Seconds until the memory must be read again: what is left divided by the fastest growth, within bounds."""
    if limit is None:
        return min(max(elapsed / 2, _FREE_PAUSES[0]), _FREE_PAUSES[1])
    return min(max((limit - used) / _FASTEST_GROWTH, _LOOK_PAUSES[0]), _LOOK_PAUSES[1])


class Rings:
    """Measures the tree below this process, and has the kernel hold it where it lends a hand. A context."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guardian = os.getpid()
        self._groups: cgroup.Parent | None = None
        self._group: cgroup.Group | None = None
        self.used = 0  # bytes at the latest look
        self.peak = 0  # bytes: the largest sum that was seen

    def __enter__(self) -> Self:
        hierarchy = cgroup.find()
        if self._limits.memory is not None and hierarchy is not None and _may_divide(hierarchy):
            self._groups = cgroup.make(hierarchy, f"{GROUP_PREFIX}{os.getpid()}")
        if self._limits.memory is not None and self._groups is not None:
            self._group = self._groups.group("command")
            self._group.limit(self._limits.memory)
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._groups is not None:
            self._groups.remove()

    @property
    def names(self) -> tuple[str, ...]:
        """Which rings are active: "rlimit", "meter", "cgroup"."""
        if self._limits.memory is None:
            return ()
        inner = ("rlimit", "meter") if self._limits.rlimit else ("meter",)
        return inner if self._group is None else (*inner, "cgroup")

    def enter(self) -> None:
        """Called in the new process before the command: puts it inside the rings."""
        die_with(self._guardian)
        os.nice(self._limits.nice)
        if self._group is not None:
            self._group.add(os.getpid())
        if self._limits.memory is not None and self._limits.rlimit:
            resource.setrlimit(resource.RLIMIT_DATA, (self._limits.memory, self._limits.memory))

    def look(self) -> int:
        """Bytes that the tree uses now. A sum that seems over the limit is taken again, shared pages counted once."""
        pids = tree.descendants(self._guardian)
        self.used = sum(tree.resident(pid) or 0 for pid in pids)
        if self._limits.memory is not None and self.used >= self._limits.memory:
            self.used = sum(tree.proportional(pid) or tree.resident(pid) or 0 for pid in pids)
        self.peak = max(self.peak, self.used)
        return self.used

    def kernel_kills(self) -> int:
        """How many processes of the tree the kernel killed at the limit of their group."""
        return 0 if self._group is None else self._group.kills()


def _may_divide(hierarchy: cgroup.Hierarchy) -> bool:
    """Version 2 gives no limits below a group that has processes of others in it, as cron's own group has."""
    if hierarchy.version == 1:
        return True
    with open(os.path.join(hierarchy.directory, "cgroup.procs"), encoding="ascii") as file:
        return file.read().split() == [str(os.getpid())]
