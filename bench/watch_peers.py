"""atop and sysstat beside the recorder: the same processes, the same interval, their processor time, memory and files.

    script/bench watch_peers [--minutes 10]

Real time, for the peers' clocks cannot be turned. Peers that are not installed are named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from bench.watch_recorder import processes

from oakum.host.procfs import ProcFs

EVERY_S = 10


def peers(directory: str, samples: int) -> dict[str, tuple[list[str], str | None]]:
    """Each tool's command, and the file or directory that it writes; None: its standard output."""
    every, count = str(EVERY_S), str(samples + 2)  # it is stopped before its count is full
    return {
        "oakum watch": (
            [sys.executable, "-m", "oakum", "watch", "--every", f"{EVERY_S}s", "--archive", f"{directory}/oakum"],
            f"{directory}/oakum",
        ),
        "atop -w": (["atop", "-w", f"{directory}/atop", every, count], f"{directory}/atop"),
        "pidstat -rud": (["pidstat", "-r", "-u", "-d", "-h", "-l", every, count], None),
    }


def size(path: str) -> int:
    """Bytes of a file, or of all files of a directory."""
    if os.path.isdir(path):
        return sum(entry.stat().st_size for entry in os.scandir(path))
    return os.path.getsize(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    samples = int(minutes * 60 / EVERY_S)
    directory, procfs = tempfile.mkdtemp(), ProcFs()
    with processes(200) as number:
        running = {}
        for name, (command, written) in peers(directory, samples).items():
            if shutil.which(command[0]) is None:
                print(f"{name}: not installed")
                continue
            path = written or f"{directory}/{name.split()[0]}.out"
            with open(f"{directory}/stdout" if written else path, "wb") as out:
                running[name] = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL), path
        time.sleep(EVERY_S / 2)  # what it costs to start is not what it costs to go on
        begun = {name: procfs.stat(process.pid) for name, (process, _) in running.items()}
        time.sleep(minutes * 60 - EVERY_S)
        for name, (process, path) in running.items():
            stat, first = procfs.stat(process.pid), begun[name]
            pss = procfs.pss(process.pid)
            assert stat is not None
            assert first is not None
            process.send_signal(signal.SIGTERM)
            process.wait()
            seconds = minutes * 60 - EVERY_S
            rows = number * (seconds / EVERY_S)
            print(
                f"{name}: {number} processes every {EVERY_S} s for {seconds:.0f} s: "
                f"{(stat.cpu_ms - first.cpu_ms) / 10 / seconds:.3f} % of a processor, PSS {(pss or 0) / 1e6:.1f} MB, "
                f"{size(path) / 1000:.0f} kB, {size(path) / rows:.2f} bytes a process sample"
            )
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
