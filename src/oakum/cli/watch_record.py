"""`oakum watch [record]`: the recorder, in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from oakum.errors import CannotRun
from oakum.units import parse_duration, parse_size

if TYPE_CHECKING:
    from oakum.watch.archive import Archive

_TELL_EVERY_S: Final = 900.0


def configure(parser: argparse.ArgumentParser) -> None:
    """How often, where to, how much at most."""
    parser.add_argument("--every", default="60s", metavar="TIME", help="time between samples, 1s to 1h (default: 60s)")
    parser.add_argument(
        "--archive", metavar="DIR", help="where to keep it (default: /var/lib/oakum/watch, for users ~/.local/state)"
    )
    parser.add_argument("--keep", default="64MiB", metavar="SIZE", help="the archive is never larger (default: 64MiB)")
    parser.add_argument("--notify", action="append", default=[], metavar="TARGET", help="each 15 minutes tell what is "
        "new or worse: cmd:COMMAND, https://HOST/PATH, mailto:NAME@HOST or smtp://SERVER/NAME@HOST; may be given again")  # fmt: skip
    parser.add_argument("--quiet", metavar="HH:MM-HH:MM", help="hold messages back in these hours")
    parser.add_argument(
        "--install", action="store_true", help="print a systemd unit with these settings; change nothing"
    )
    parser.add_argument("--proc", default="/proc", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--root", default="/", metavar="DIR", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Records until it is told to stop; with `--install` only prints the unit that would."""
    every_s, keep = parse_duration(args.every, name="--every"), parse_size(args.keep, name="--keep")
    _check_notify(args)
    if args.install:
        return _print_unit(args)
    from oakum.clock import SystemClock
    from oakum.host.procfs import ProcFs
    from oakum.watch.archive import Archive
    from oakum.watch.places import default_archive
    from oakum.watch.probes.cgroups import CgroupProbe
    from oakum.watch.probes.crontabs import CrontabProbe
    from oakum.watch.probes.machine import HostProbe
    from oakum.watch.probes.processes import ProcessProbe
    from oakum.watch.recorder import Recorder

    procfs = ProcFs(args.proc)
    probes = (ProcessProbe(procfs), HostProbe(procfs), CgroupProbe(), CrontabProbe(args.root))
    with Archive(args.archive or default_archive(), keep) as archive:
        recorder = Recorder(archive, probes, SystemClock(), procfs.boot_id(), every_s, _say)
        _say(f"a sample every {args.every}, in {archive.directory}, of at most {args.keep}")
        recorder.run(_Teller(archive, args.notify, args.quiet) if args.notify else lambda _time_s: None)
    return 0


def _check_notify(args: argparse.Namespace) -> None:
    from oakum.watch.notify import check_target, parse_quiet

    for target in args.notify:
        check_target(target)
    if args.quiet is not None:
        parse_quiet(args.quiet)


class _Teller:
    """Called after each sample: now and then starts `oakum watch notify` beside the recorder, which stays small."""

    def __init__(self, archive: Archive, targets: list[str], quiet: str | None) -> None:
        words = [] if quiet is None else ["--quiet", quiet]
        words += ["--archive", archive.directory, "--", *targets]
        self._archive = archive
        self._command = [sys.executable, "-m", "oakum", "watch", "notify", *words]
        self._child: subprocess.Popen[bytes] | None = None
        self._next_s = 0.0

    def __call__(self, time_s: float) -> None:
        running = self._child is not None and self._child.poll() is None
        if not running and time_s >= self._next_s:
            self._next_s = time_s + _TELL_EVERY_S
            with contextlib.suppress(CannotRun):  # a full disk: it is told what was written until then
                self._archive.flush()
            self._child = subprocess.Popen(self._command)


def _print_unit(args: argparse.Namespace) -> int:
    from oakum.watch.install import install_steps, unit_text
    from oakum.watch.places import own_command

    archive = None if args.archive is None else os.path.abspath(args.archive)
    command = [*own_command(), "watch", "--every", args.every, "--keep", args.keep]
    for option, values in (("--archive", [archive]), ("--notify", args.notify), ("--quiet", [args.quiet])):
        for value in values:
            command += [] if value is None else [option, value]
    print(unit_text(command, archive), end="")
    print("\n".join(("To install it, as root:", *install_steps(command, archive))), file=sys.stderr)
    return 0


def _say(message: str) -> None:
    print(f"oakum watch: {message}", file=sys.stderr, flush=True)
