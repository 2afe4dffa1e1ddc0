"""A made-up /proc in a directory, for recorders that are told to read it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMINFO = "MemTotal:       2000000 kB\nMemFree:         100000 kB\nMemAvailable:   1500000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"


class FakeProc:
    """Write processes into it, change them, take them out."""

    def __init__(self, root: Path, boot_id: str = "boot-a") -> None:
        self.root = root
        self.write("sys/kernel/random/boot_id", f"{boot_id}\n")
        self.write("meminfo", MEMINFO)
        self.write("stat", "cpu  1 2 3\nbtime 1767225600\nprocesses 4321\n")
        self.write("vmstat", "nr_free_pages 1\noom_kill 3\n")
        self.write("loadavg", "0.42 0.30 0.20 1/200 999\n")
        self.write("pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1700\nfull avg10=0.00 total=575\n")
        self.write("pressure/io", "some avg10=0.00 total=9\nfull avg10=0.00 total=8\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def process(
        self, pid: int, *, comm: str = "python", args: str = "python\0app.py", start: int = 5000, rss_pages: int = 2560,
        cpu_ticks: int = 7, state: str = "S", threads: int = 2, ppid: int = 1, uid: int = 0, wchan: str = "do_poll",
        fds: int = 4, cgroup: str = "0::/app\n",
    ) -> None:  # fmt: skip
        """A process, new or changed."""
        stat = (
            f"{pid} ({comm}) {state} {ppid} 1 1 0 -1 0 0 0 0 0 {cpu_ticks} 0 0 0 20 0 {threads} 0 {start} 1000000 {rss_pages} "
            "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        )
        self.write(f"{pid}/stat", stat)
        self.write(f"{pid}/cmdline", f"{args}\0" if args else "")
        self.write(f"{pid}/status", f"Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        self.write(f"{pid}/cgroup", cgroup)
        self.write(f"{pid}/wchan", wchan)
        self.write(
            f"{pid}/smaps_rollup", f"00400000-7fff r\nRss: {rss_pages * 4} kB\nPss:              {rss_pages * 2} kB\n"
        )
        shutil.rmtree(self.root / str(pid) / "fd", ignore_errors=True)
        for number in range(fds):
            self.write(f"{pid}/fd/{number}", "")

    def end(self, pid: int) -> None:
        shutil.rmtree(self.root / str(pid))

    def hide_fds(self, pid: int) -> None:
        """As for another user's process: the directory cannot be listed."""
        shutil.rmtree(self.root / str(pid) / "fd")


PAGES_PER_MIB = 1024 * 1024 // os.sysconf("SC_PAGE_SIZE")
