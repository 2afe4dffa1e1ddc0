"""Reads /proc for a recorder: many processes, often, cheaply; from any root, so that a made-up one will do.

Formats: proc(5) and Documentation/filesystems/proc.rst of the kernel. A process may end, or hide, between any two
reads: None is the answer then, never a zero.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from oakum.errors import CannotRun
from oakum.host.tree import PAGE
from oakum.units import KIB

CLOCK_TICK_MS: Final = 1000 // os.sysconf("SC_CLK_TCK")
_LONGEST_FILE: Final = 64 * KIB
_LONGEST_ARGS: Final = 4096  # characters of a command line that are kept


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that a recorder keeps. `rss` in bytes, `cpu_ms` user and system time so far."""

    pid: int
    comm: str
    state: str
    ppid: int
    cpu_ms: int
    threads: int
    start_ticks: int
    rss: int


class HostFigures(NamedTuple):
    """The host's own figures: bytes, counts since boot, stalled microseconds since boot. None: this kernel does not tell."""

    mem_total: int | None
    mem_available: int | None
    swap_total: int | None
    swap_used: int | None
    load1_centi: int | None
    psi_memory_some_us: int | None
    psi_memory_full_us: int | None
    psi_io_full_us: int | None
    forks: int | None
    oom_kills: int | None


class ProcFs:
    """One /proc. Raises CannotRun where there is none."""

    def __init__(self, root: str = "/proc") -> None:
        if not os.path.exists(f"{root}/stat") and not os.path.exists(f"{root}/meminfo"):
            raise CannotRun(f"{root}: no process information there; watching needs Linux with /proc mounted")
        self.root = root
        self._size_counts_fds = self._probe_fd_size()

    # Processes

    def pids(self) -> list[int]:
        """The processes there are. Where /proc is mounted with hidepid, only one's own."""
        return [int(name) for name in os.listdir(self.root) if name.isdigit()]

    def stat(self, pid: int) -> Stat | None:
        """The figures of one process, None when it has ended."""
        return parse_stat(pid, self.stat_line(pid))

    def stat_line(self, pid: int) -> bytes:
        """The line that its figures are in, b"" when it has ended: of one that stands still it is the same again."""
        return read_file(f"{self.root}/{pid}/stat", 4096) or b""

    def args(self, pid: int) -> str:
        """The command line, its arguments joined by spaces; "" for kernel threads, zombies, and what has ended."""
        raw = self._read(f"{pid}/cmdline", _LONGEST_ARGS) or b""
        return raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")

    def uid(self, pid: int) -> int | None:
        """The effective user."""
        for line in (self._read(f"{pid}/status") or b"").splitlines():
            if line.startswith(b"Uid:"):
                return int(line.split()[2])
        return None

    def cgroup(self, pid: int) -> str:
        """The path of its control group: the memory controller's where that is version 1; "" where not known."""
        unified = ""
        for line in (self._read(f"{pid}/cgroup") or b"").decode("utf-8", "replace").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if "memory" in controllers.split(","):
                return path
            if not controllers:
                unified = path
        return unified

    def fds(self, pid: int) -> int | None:
        """How many file descriptors it has open; None for another user's process."""
        path = f"{self.root}/{pid}/fd"
        try:
            return os.stat(path).st_size if self._size_counts_fds else len(os.listdir(path))
        except OSError:
            return None

    def wchan(self, pid: int) -> str:
        """The kernel function that it waits in; "" while it runs, and where the kernel does not tell."""
        name = (self._read(f"{pid}/wchan", 128) or b"").decode("ascii", "replace")
        return "" if name == "0" else name

    def pss(self, pid: int) -> int | None:
        """Proportional set size in bytes. Dear: about 5 ms for each resident gigabyte."""
        for line in (self._read(f"{pid}/smaps_rollup") or b"").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * KIB
        return None

    # The host

    def boot_id(self) -> str:
        """The kernel's random name for this boot, "" where there is none."""
        return (self._read("sys/kernel/random/boot_id", 64) or b"").decode("ascii", "replace").strip()

    def host(self) -> HostFigures:
        """The host's figures now."""
        memory = self._pairs("meminfo", b":")
        stat = self._pairs("stat", b" ")
        swap_total, swap_free = _kib(memory, b"SwapTotal"), _kib(memory, b"SwapFree")
        some, full = self._stalled_us("memory")
        return HostFigures(
            mem_total=_kib(memory, b"MemTotal"),
            mem_available=_kib(memory, b"MemAvailable"),
            swap_total=swap_total,
            swap_used=None if swap_total is None or swap_free is None else swap_total - swap_free,
            load1_centi=self._load1_centi(),
            psi_memory_some_us=some,
            psi_memory_full_us=full,
            psi_io_full_us=self._stalled_us("io")[1],
            forks=_number(stat, b"processes"),
            oom_kills=_number(self._pairs("vmstat", b" "), b"oom_kill"),
        )

    def _load1_centi(self) -> int | None:
        words = (self._read("loadavg", 128) or b"").split()
        return round(float(words[0]) * 100) if words else None

    def _stalled_us(self, resource: str) -> tuple[int | None, int | None]:
        """Microseconds in which some, and in which all, tasks waited for it (Documentation/accounting/psi.rst)."""
        totals: dict[bytes, int] = {}
        for line in (self._read(f"pressure/{resource}", 512) or b"").splitlines():
            totals[line.split()[0]] = int(line.rpartition(b"=")[2])
        return totals.get(b"some"), totals.get(b"full")

    def _pairs(self, name: str, separator: bytes) -> dict[bytes, bytes]:
        lines = (self._read(name) or b"").splitlines()
        return {key: value for key, _, value in (line.partition(separator) for line in lines)}

    def _read(self, name: str, size: int = _LONGEST_FILE) -> bytes | None:
        return read_file(f"{self.root}/{name}", size)

    def _probe_fd_size(self) -> bool:
        """Since Linux 6.2 the size of /proc/PID/fd is the number of descriptors: ten times cheaper than listing them."""
        try:
            listed = len(os.listdir(f"{self.root}/self/fd")) - 1  # less the one that lists
            return os.stat(f"{self.root}/self/fd").st_size == listed
        except OSError:
            return False


def parse_stat(pid: int, line: bytes) -> Stat | None:
    """What a line of /proc/PID/stat says, None for one that is cut off."""
    end = line.rfind(b")")  # the name may hold spaces and parentheses itself
    fields = line[end + 2 :].split(None, 22)
    if end < 0 or len(fields) < 22:
        return None
    comm = line[line.find(b"(") + 1 : end].decode("utf-8", "replace")
    cpu_ms = (int(fields[11]) + int(fields[12])) * CLOCK_TICK_MS
    rss = int(fields[21]) * PAGE
    return Stat(pid, comm, chr(fields[0][0]), int(fields[1]), cpu_ms, int(fields[17]), int(fields[19]), rss)


def read_file(path: str, size: int = _LONGEST_FILE) -> bytes | None:
    """What the kernel answers in one read of up to `size` bytes: all of a small file, cheaply. None where it does not."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, size)
    except OSError:
        return None
    finally:
        os.close(fd)


def _kib(pairs: dict[bytes, bytes], name: bytes) -> int | None:
    number = _number(pairs, name)
    return None if number is None else number * KIB


def _number(pairs: dict[bytes, bytes], name: bytes) -> int | None:
    words = pairs.get(name, b"").split()
    return int(words[0]) if words else None
