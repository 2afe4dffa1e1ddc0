"""A log of two days: how small it becomes, how fast it is read, what the report costs; and a recording of as long.

    script/bench watch_archive

The log has the format of `ps -eo pid,ppid,user,lstart,etimes,rss,comm,args --sort=-rss,ppid,pid`, once a minute. The
recording is of the same made-up host with all the figures that the recorder takes: memory, processor time, threads,
open files, states and where each process waits.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile

from bench.watch_hosts import Host, Process, Trouble, ps_block

from oakum.watch.archive import Archive
from oakum.watch.tables import PROCESSES, UNKNOWN, Entity

HOURS = 48
TROUBLE = Trouble(hung_crons=1, leaks_mb_h=(4.0,))
OAKUM = [sys.executable, "-m", "oakum", "watch"]


def write_log(path: str, size: int) -> int:
    """Writes the log of a host of about `size` processes; returns its process samples."""
    samples = 0
    with open(path, "w", encoding="utf-8") as out:
        for now_s, processes in Host(1, HOURS, size, TROUBLE).ticks():
            out.write(ps_block(now_s, processes))
            samples += len(processes)
    return samples


def measured(words: list[str], stdin: str | None = None) -> tuple[float, float]:
    """(seconds of processor time, highest resident MiB) of a command."""
    null = os.open(os.devnull, os.O_RDWR)
    source = null if stdin is None else os.open(stdin, os.O_RDONLY)
    pid = os.posix_spawn(
        words[0],
        words,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, null, 1)],
    )
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1), words
    return round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024, 1)


def imports(directory: str, size: int) -> None:
    """A log, plain, compressed and from a pipe; then the report."""
    log = f"{directory}/host-{size}.log"
    samples = write_log(log, size)
    length = os.path.getsize(log)
    print(f"log: {length / 1e6:.1f} MB, {samples:,} process samples")
    with open(log, "rb") as plain, gzip.open(f"{log}.gz", "wb", 6) as packed:
        shutil.copyfileobj(plain, packed)
    for name, words, stdin in (
        ("plain", [*OAKUM, "import", log], None),
        ("gzip", [*OAKUM, "import", f"{log}.gz"], None),
        ("pipe", [*OAKUM, "import", "-"], log),
    ):
        archive = f"{directory}/{name}-{size}"
        seconds, peak = measured([*words, "--archive", archive], stdin)
        size_b = Archive(archive).size()
        print(
            f"  import, {name}: {seconds} s, {length / 1e6 / seconds:.1f} MB/s, {peak} MiB at most; archive "
            f"{size_b / 1000:.0f} kB, {size_b / samples:.2f} bytes a process sample"
        )
    for form in ("text", "json", "html"):
        seconds, peak = measured([*OAKUM, "show", "--archive", f"{directory}/plain-{size}", "--format", form])
        print(f"  report, {form}: {seconds} s, {peak} MiB at most")


def recording(directory: str, size: int) -> None:
    """The same host, recorded."""
    host, entities, samples = Host(1, HOURS, size, TROUBLE), dict[tuple[int, int], Entity](), 0
    with Archive(f"{directory}/live", flush_s=float("inf")) as archive:
        for now_s, processes in host.ticks():
            block = archive.begin("boot", host.boot_s, 60, now_s)
            for process in processes:
                key = process.pid, process.start_s
                entity = entities.setdefault(key, _entity(process, host.boot_s))
                row = (process.rss_kib * 1024, UNKNOWN, process.cpu_ms, process.threads, process.fds, ord("S"))
                block.table(PROCESSES).add(block.newest, entity, (*row, block.text(process.wchan), UNKNOWN))
            archive.commit()
            samples += len(processes)
        archive.seal()
        size_b = archive.size()
    print(
        f"recording: {samples:,} process samples of {len(entities):,} processes in {HOURS} h: {size_b / 1000:.0f} kB, "
        f"{size_b / samples:.2f} bytes a process sample"
    )


def _entity(process: Process, boot_s: int) -> Entity:
    numbers = (process.pid, (process.start_s - boot_s) * 100, process.ppid)
    return Entity(numbers, (process.user, process.comm, process.args, "/system.slice"))


def main() -> None:
    directory = tempfile.mkdtemp()
    for size in (85, 200):
        imports(directory, size)
    recording(directory, 200)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
