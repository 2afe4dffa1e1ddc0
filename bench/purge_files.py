"""Deletes a million files from one directory and from a tree, beside `find -delete`; prints time and memory.

    python bench/purge_files.py [--files 1000000] [--directory /tmp]

Memory is VmHWM, reset just before, less what was resident; that of find is its largest resident size.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from purge import memory

OLD = 1_500_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--directory", default="/tmp")
    parser.add_argument("--purge", metavar="DIR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.purge:
        purge(args.purge)
        return
    print(f"{args.files:,} files in {args.directory}")
    for shape, width in (("one directory", args.files), ("a thousand directories", args.files // 1000)):
        for way in ("find", "purge"):
            with tempfile.TemporaryDirectory(dir=args.directory) as root:
                fill(root, args.files, width)
                began = time.monotonic()
                if way == "purge":
                    command = [sys.executable, __file__, "--purge", root]
                    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                else:
                    command = [
                        "find",
                        root,
                        "-mindepth",
                        "1",
                        "(",
                        "-name",
                        "*.gz",
                        "-mtime",
                        "+90",
                        "-o",
                        "-type",
                        "d",
                        "-empty",
                        ")",
                        "-delete",
                    ]
                    child = subprocess.Popen(command)
                    _, _, usage = os.wait4(child.pid, 0)
                    told = f"{time.monotonic() - began:6.1f} s, {usage.ru_maxrss / 1024:6.1f} MiB resident at most\n"
                print(f"{shape:24}{way:6}{told}", end="", flush=True)
                assert os.listdir(root) == []


def fill(root: str, files: int, width: int) -> None:
    """Empty files, `width` to a directory, all of them old."""
    for start in range(0, files, width):
        directory = os.path.join(root, f"{start:08}")
        os.mkdir(directory)
        fd = os.open(directory, os.O_RDONLY)
        for number in range(start, min(start + width, files)):
            os.close(os.open(f"replay-{number:08}.cast.gz", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
            os.utime(f"replay-{number:08}.cast.gz", (OLD, OLD), dir_fd=fd)
        os.utime(directory, (OLD, OLD))
        os.close(fd)


def purge(root: str) -> None:
    from oakum import purge

    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    resident = memory("VmRSS")
    report = purge.files(root, older_than="90d", match=["*.gz"])
    added = (memory("VmHWM") - resident) / 2**20
    print(f"{report.seconds:6.1f} s, {memory('VmHWM') / 2**20:6.1f} MiB resident at most, {added:.1f} MiB of it added")


if __name__ == "__main__":
    main()
