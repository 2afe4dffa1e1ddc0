"""This process's own memory: measured exactly around a piece of work, and limited so that malloc fails in time.

Kernel facts: writing `5` to /proc/self/clear_refs sets VmHWM back to VmRSS (Documentation/filesystems/proc.rst, since 4.0);
RLIMIT_DATA limits brk and private writable mappings, VmData in /proc/self/status (getrlimit(2), since 4.7). RLIMIT_AS
would count what is only mapped, and break threads.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import resource
import sys
from typing import Final, NamedTuple

_SIZES: Final = re.compile(rb"VmHWM:\s*(\d+) kB\nVmRSS:\s*(\d+) kB\n(?:Rss.*\n)*VmData:\s*(\d+) kB")
_LINUX: Final = sys.platform == "linux"
_TRIAL: Final = 1 << 20


class Sizes(NamedTuple):
    """Bytes: resident now, the largest resident since the last reset, private writable mappings."""

    resident: int
    peak: int
    data: int


class OwnMemory:
    """Reads and resets this process's own figures through descriptors that are kept open: 8 and 0.5 microseconds.

    A glance costs less than one: `ru_maxrss` is the larger of VmHWM and what the process was at its last exec
    (kernel/sys.c, getrusage), so that it tells something only in a process that was forked since. The kernel counts
    pages by processor in lots, and only /proc/self/status adds up what is not yet in the sum (since 6.17): a glance may be
    off by some hundred KiB, and it is the rise from one glance to another that counts.
    """

    def __init__(self) -> None:
        self._status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
        self._refs = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        self.glances = self._moves()

    def read(self) -> Sizes:
        """The figures now."""
        match = _SIZES.search(os.pread(self._status, 2048, 0))
        if match is None:
            raise OSError("/proc/self/status names no VmHWM, VmRSS and VmData")
        return Sizes(int(match[2]) * 1024, int(match[1]) * 1024, int(match[3]) * 1024)

    def glance(self) -> int:
        """The largest resident size since the last reset, nearly; worth nothing unless `glances`."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def reset_peak(self) -> None:
        """From here on `peak` starts again at what is resident."""
        os.write(self._refs, b"5")

    def _moves(self) -> bool:
        """Whether a glance sees memory come, and forgets it at a reset: tried out."""
        self.reset_peak()
        before = self.glance()
        with mmap.mmap(-1, _TRIAL) as some:
            some.write(bytes(_TRIAL))
        there = self.glance()
        self.reset_peak()
        return there - before > _TRIAL // 2 and there - self.glance() > _TRIAL // 2


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


class Heap:
    """glibc's malloc, as far as it can be asked and told. Elsewhere it answers 0 and does nothing."""

    def __init__(self) -> None:
        self._mallinfo = self._trim = None
        if _LINUX:
            libc = ctypes.CDLL(None)
            self._trim = getattr(libc, "malloc_trim", None)
            self._mallinfo = getattr(libc, "mallinfo2", None)  # glibc 2.33
            if self._mallinfo is not None:
                self._mallinfo.restype = _Mallinfo2

    def free(self) -> int:
        """Bytes that malloc holds and has not given out: work that reuses them takes memory that no limit sees."""
        return int(self._mallinfo().fordblks) if self._mallinfo is not None else 0

    def trim(self) -> None:
        """Gives free pages back to the kernel."""
        if self._trim is not None:
            self._trim(0)


class DataLimit:
    """RLIMIT_DATA of this process: the soft limit only, so that it can be lifted again."""

    def __init__(self) -> None:
        self._hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        self._soft = resource.RLIM_INFINITY

    @property
    def size(self) -> int:
        """The limit in force in bytes, -1 for none."""
        return self._soft

    def set(self, size: int) -> None:
        """Limits VmData to `size` bytes; asking for the limit in force costs nothing."""
        if size != self._soft:
            resource.setrlimit(resource.RLIMIT_DATA, (size, self._hard))
            self._soft = size

    def lift(self) -> None:
        """No limit."""
        self.set(resource.RLIM_INFINITY if self._hard == resource.RLIM_INFINITY else self._hard)
