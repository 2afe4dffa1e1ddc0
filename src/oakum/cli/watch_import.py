"""`oakum watch import`: takes over a log of `ps` listings, and says what in it could not be read."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from oakum.errors import UsageError
from oakum.units import format_duration, format_size, parse_size

if TYPE_CHECKING:
    from oakum.watch.importing import Imported
    from oakum.watch.pslog.lines import Log

_SAY_EVERY_S: Final = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """The log, and how to answer."""
    parser.add_argument("file", metavar="FILE", help="the log, also gzip; - reads standard input")
    parser.add_argument(
        "--keep", default=argparse.SUPPRESS, metavar="SIZE", help="the archive is never larger (default: 64MiB)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(args: argparse.Namespace) -> int:
    """Imports the log; lines that make no sense are counted and shown, never fatal."""
    from oakum.watch.archive import Archive
    from oakum.watch.importing import import_log
    from oakum.watch.places import default_archive
    from oakum.watch.pslog.lines import open_log

    directory = args.archive or default_archive()
    begun = time.monotonic()
    with open_log(args.file) as file, Archive(directory, parse_size(args.keep, name="--keep"), float("inf")) as archive:
        try:
            with _progress(args.file, file) as progress:
                imported = import_log(file, archive, progress)
        except UsageError as error:
            raise UsageError(f"{args.file}: {error}") from error
        size = archive.size()
    if args.format == "json":
        print(json.dumps({"archive": directory, "bytes": size, **msgspec.to_builtins(imported)}, indent=2))
    else:
        print("\n".join(_as_text(imported, directory, size, time.monotonic() - begun)))
    return 0


def _as_text(done: Imported, directory: str, size: int, seconds: float) -> Iterator[str]:
    yield (
        f"{done.samples:,} samples of {done.processes:,} processes from {done.lines:,} lines in {format_duration(seconds)}: "
        f"{format_size(size)} in {directory}"
    )
    if done.samples:
        span = format_duration(done.last_s - done.first_s)
        yield f"{_local(done.first_s)} to {_local(done.last_s)} ({span}), every {format_duration(done.step_s)}"
    for count, what in (
        (done.reboots, "reboots of the host"),
        (done.clock_steps, "steps of its clock"),
        (done.torn, "torn or empty samples, dropped"),
        (done.repeated, "samples not later than what the archive already held, left out"),
    ):
        if count:
            yield f"{count:,} {what}"
    for reason, count in done.bad.counts.most_common():
        yield f"{count:,} line{'s' if count > 1 else ''}: {reason}"
    for number, reason, text in done.bad.examples:
        yield f"  line {number}: {reason}: {text}"


def _local(time_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_s))


@contextmanager
def _progress(name: str, file: Log) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines(name).tell
        return
    from rich.console import Console
    from rich.progress import Progress

    status = os.fstat(file.fileno())
    with Progress(console=Console(stderr=True), transient=True) as bar:
        if stat.S_ISREG(status.st_mode):
            task = bar.add_task(f"reading {name}", total=status.st_size)
            yield lambda _lines: bar.update(task, completed=os.lseek(file.fileno(), 0, os.SEEK_CUR))
        else:
            task = bar.add_task(f"reading {name}", total=None)
            yield lambda lines: bar.update(task, description=f"reading {name}: {lines:,} lines")


class _Lines:
    """Says every ten seconds how far it is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._due_s = time.monotonic() + _SAY_EVERY_S

    def tell(self, lines: int) -> None:
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + _SAY_EVERY_S
            print(f"oakum watch: {self._name}: {lines:,} lines read", file=sys.stderr, flush=True)
