"""Limits that are set on processes while they run, and taken away again: of open files, and of a file's length."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from oakum.host.tree import descendants


@contextlib.contextmanager
def limited(kind: str, most: int, pids: Iterable[int]) -> Iterator[None]:
    """At most so much of `kind`, "nofile" or "fsize", for these processes, as long as the block lasts."""
    before = {pid: now for pid in pids if (now := _prlimit(pid, f"--{kind}", "--output=SOFT", "--noheadings", "--raw"))}
    assert before, "there is nobody to be limited"
    for pid in before:
        _prlimit(pid, f"--{kind}={most}:")
    try:
        yield
    finally:
        for pid, soft in before.items():
            _prlimit(pid, f"--{kind}={soft}:")


def _prlimit(pid: int, *words: str) -> str:
    """prlimit(1) as the process's own user: it needs no privilege then, and root may lack the one that it would need. "": it has ended."""
    with contextlib.suppress(FileNotFoundError):
        owner = os.stat(f"/proc/{pid}")
        become = ["setpriv", "--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups"]
        command = [*(become if owner.st_uid != os.getuid() else ()), "prlimit", f"--pid={pid}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def highest_fd(pid: int) -> int:
    """The largest number of an open descriptor: with a limit of one more a process can open what it has closed, and no more."""
    return max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))


def server_of(port: int) -> list[int]:
    """A server's processes: who listens on a port of this host, and all that are below."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].partition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    found = [int(name) for name in os.listdir("/proc") if name.isdecimal() and _has(int(name), inodes)]
    return sorted({pid for each in found for pid in (each, *descendants(each))})


def _has(pid: int, inodes: set[str]) -> bool:
    with contextlib.suppress(OSError):
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd"))
    return False
