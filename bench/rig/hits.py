"""What tasks do when they run, and how their runs are counted: the same for Oakum and for every peer.

Each process that runs tasks maps one small file, $BENCH_HITS/hit.<pid>, and keeps there (count, first run, last run) as
three int64; times are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. A hit costs under a
microsecond. Whoever measures adds up the files. Standard library only: peers import it under their own Python.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time

_ROW = struct.Struct("<qqq")
_lock = threading.Lock()
_map: mmap.mmap | None = None
_count = 0
_first = 0
_delays: int | None = None


def _reset() -> None:
    global _map, _count, _first, _delays, _lock
    _map, _count, _first, _delays, _lock = None, 0, 0, None, threading.Lock()


os.register_at_fork(after_in_child=_reset)


def hit() -> None:
    """One task ran."""
    global _map, _count, _first
    now = time.monotonic_ns()
    with _lock:
        if _map is None:
            _map, _first = _open(), now
        _count += 1
        _ROW.pack_into(_map, 0, _count, _first, now)


def late(sent_ns: int) -> None:
    """One task ran that was enqueued at `sent_ns` (time.monotonic_ns): notes the delay."""
    global _delays
    delay = time.monotonic_ns() - sent_ns
    with _lock:
        if _delays is None:
            _delays = os.open(_path(f"lat.{os.getpid()}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(_delays, struct.pack("<q", delay))
    hit()


def hog(mib: int, seconds: float) -> None:
    """Takes and touches `mib` MiB, 64 MiB at a time, then holds them; notes both ends, if it gets there."""
    _mark("start")
    held = []
    while mib > 0:
        held.append(b"\1" * (min(mib, 64) << 20))
        mib -= 64
    time.sleep(seconds)
    del held
    _mark("end")
    hit()


def _mark(what: str) -> None:
    marks = os.open(_path("marks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(marks, f"{what} {os.getpid()} {time.monotonic_ns()}\n".encode())
    os.close(marks)


def _open() -> mmap.mmap:
    file = os.open(_path(f"hit.{os.getpid()}"), os.O_RDWR | os.O_CREAT, 0o666)
    os.ftruncate(file, 4096)
    mapped = mmap.mmap(file, 4096)
    os.close(file)
    return mapped


def _path(name: str) -> str:
    return os.path.join(os.environ["BENCH_HITS"], name)
