"""What the recorder costs: a look at all processes, its processor time and memory over hours, beside other tools' looks.

    script/bench watch_recorder

Hours are run through in seconds: the clock is turned, /proc and the archive are real. Peers that are not installed are
left out and named.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oakum.clock import FakeClock
from oakum.host.procfs import ProcFs
from oakum.watch.archive import Archive
from oakum.watch.probes.cgroups import CgroupProbe
from oakum.watch.probes.crontabs import CrontabProbe
from oakum.watch.probes.machine import HostProbe
from oakum.watch.probes.processes import ProcessProbe
from oakum.watch.recorder import Recorder

EVERY_S = 10.0
HOURS = 6.0


@contextmanager
def processes(total: int) -> Iterator[int]:
    """So many processes on this host, most of them asleep; gives their number."""
    missing = total - len(ProcFs().pids())
    started = [subprocess.Popen(["sleep", "3600"]) for _ in range(max(missing, 0))]
    try:
        yield len(ProcFs().pids())
    finally:
        for process in started:
            process.kill()
            process.wait()


def milliseconds(look: Callable[[], object], rounds: int = 15) -> float:
    """Median processor time of one look."""
    look()
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        look()
        spent.append((time.process_time() - begun) * 1000)
    return round(statistics.median(spent), 2)


def looks(total: int) -> dict[str, float | str]:
    """One look at all processes, in milliseconds."""
    with processes(total) as number:
        probe = ProcessProbe(ProcFs(), pss_every_s=float("inf"))
        found: dict[str, float | str] = {
            "processes": number,
            "oakum": milliseconds(lambda: list(probe.read(time.time()))),
        }
        try:
            import psutil
        except ImportError:
            found["psutil"] = "not installed"
            return found
        names = [
            "pid",
            "ppid",
            "username",
            "create_time",
            "memory_info",
            "cpu_times",
            "num_threads",
            "num_fds",
            "status",
        ]
        found["psutil, the same figures"] = milliseconds(lambda: list(psutil.process_iter([*names, "cmdline"])), 5)
        found["psutil, memory alone"] = milliseconds(lambda: list(psutil.process_iter(["memory_info"])), 5)
    return found


def recording() -> dict[str, float]:
    """Hours of samples in a process of its own; its processor time, memory and archive."""
    done = subprocess.run([sys.executable, "-m", "bench.watch_recorder", "--record"], capture_output=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def record() -> None:
    """The child of `recording`: a recorder whose clock is turned by hand."""
    clock = FakeClock(time.time())
    directory = tempfile.mkdtemp()
    procfs = ProcFs()
    highest = 0
    with processes(200) as number:
        probes = (ProcessProbe(procfs), HostProbe(procfs), CgroupProbe(), CrontabProbe())
        with Archive(directory) as archive:
            recorder = Recorder(archive, probes, clock, procfs.boot_id(), EVERY_S, sys.stderr.write)
            begun = time.process_time()
            count = int(HOURS * 3600 / EVERY_S)
            for tick in range(count):
                recorder.sample()
                clock.advance(EVERY_S)
                if tick % 200 == 199:
                    highest = max(highest, procfs.pss(os.getpid()) or 0)
            spent_s = time.process_time() - begun
            archive.seal()
            size = archive.size()
    shutil.rmtree(directory)
    print(
        json.dumps(
            {
                "processes": number,
                "samples": count,
                "cpu_percent": round(100 * spent_s / (count * EVERY_S), 4),
                "pss_mb": round(highest / 1e6, 1),
                "archive_kb": round(size / 1000, 1),
                "bytes_per_process_sample": round(size / (count * number), 3),
            }
        )
    )


def main() -> None:
    if sys.argv[1:] == ["--record"]:
        record()
        return
    for total in (200, 1000):
        print(f"one look, ms of processor time: {looks(total)}")
    print(f"every {EVERY_S:.0f} s for {HOURS:.0f} h: {recording()}")


if __name__ == "__main__":
    main()
