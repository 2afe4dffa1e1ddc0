"""`oakum watch [record]`: the recorder, in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import sys

from oakum.units import parse_duration, parse_size


def configure(parser: argparse.ArgumentParser) -> None:
    """How often, where to, how much at most."""
    parser.add_argument("--every", default="60s", metavar="TIME", help="time between samples, 1s to 1h (default: 60s)")
    parser.add_argument(
        "--archive", metavar="DIR", help="where to keep it (default: /var/lib/oakum/watch, for users ~/.local/state)"
    )
    parser.add_argument("--keep", default="64MiB", metavar="SIZE", help="the archive is never larger (default: 64MiB)")
    parser.add_argument("--proc", default="/proc", metavar="DIR", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Records until it is told to stop."""
    from oakum.clock import SystemClock
    from oakum.host.procfs import ProcFs
    from oakum.watch.archive import Archive
    from oakum.watch.places import default_archive
    from oakum.watch.probes.cgroups import CgroupProbe
    from oakum.watch.probes.machine import HostProbe
    from oakum.watch.probes.processes import ProcessProbe
    from oakum.watch.recorder import Recorder

    every_s = parse_duration(args.every, name="--every")
    keep = parse_size(args.keep, name="--keep")
    procfs = ProcFs(args.proc)
    probes = (ProcessProbe(procfs), HostProbe(procfs), CgroupProbe())
    with Archive(args.archive or default_archive(), keep) as archive:
        recorder = Recorder(archive, probes, SystemClock(), procfs.boot_id(), every_s, _say)
        _say(f"a sample every {args.every}, in {archive.directory}, of at most {args.keep}")
        recorder.run(lambda _time_s: None)
    return 0


def _say(message: str) -> None:
    print(f"oakum watch: {message}", file=sys.stderr, flush=True)
