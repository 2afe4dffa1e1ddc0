"""`oakum watch notify`: tells what is new or worse in the record, once. For a timer, or called by the recorder."""

from __future__ import annotations

import argparse
import os
import platform
import sys


def configure(parser: argparse.ArgumentParser) -> None:
    """Whom to tell, and when not to."""
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="cmd:COMMAND (JSON on its standard input), https://HOST/PATH, "
        "mailto:NAME@HOST (through this host's sendmail) or smtp://SERVER[:PORT]/NAME@HOST")  # fmt: skip
    add("--quiet", metavar="HH:MM-HH:MM", help="hold everything back in these hours, and send it together afterwards")
    add("--mute", metavar="TIME", help="send nothing for this long, beginning now; '0s' ends it")
    add("--since", default="48h", metavar="WHEN", help="judge the record from then on (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Sends at most one message to each target; raises CannotRun for those that could not be told, which stay untold."""
    from dataclasses import replace
    from datetime import datetime

    from oakum.clock import SystemClock
    from oakum.errors import CannotRun, UsageError
    from oakum.units import parse_duration
    from oakum.watch.guard.runlog import RunLog
    from oakum.watch.load import load, newest_s
    from oakum.watch.notify import after, check_target, held_back, news, parse_quiet
    from oakum.watch.notify_send import read_told, send, write_told
    from oakum.watch.places import default_archive
    from oakum.watch.rules import diagnose
    from oakum.watch.rules.case import Case
    from oakum.watch.when import parse_when

    if not args.targets and args.mute is None:
        raise UsageError("watch notify: whom? Name a target, like mailto:root@localhost, or --mute TIME")
    targets = [check_target(target) for target in args.targets]
    quiet = parse_quiet(args.quiet) if args.quiet is not None else None
    directory = args.archive or default_archive()
    path, now = os.path.join(directory, "alerts.json"), SystemClock().wall()
    told = read_told(path)
    if args.mute is not None:
        told = replace(told, mute_until_s=now + parse_duration(args.mute, name="--mute", zero=True))
        write_told(path, told)
    if not targets or held_back(told, quiet, now):
        return 0
    history = load(directory, parse_when(args.since, newest_s(directory), name="--since"))
    findings = diagnose(Case(history, RunLog(directory).read()))
    failed = []
    for target in targets:
        fresh = news(findings, told, target)
        try:
            if fresh:
                send(target, fresh, platform.node(), datetime.fromtimestamp(now).astimezone())
                print(f"oakum watch: told {target} of {len(fresh)} finding{'s' * (len(fresh) > 1)}", file=sys.stderr)
        except CannotRun as error:
            failed.append(str(error))
            continue
        told = after(findings, told, target)
        write_told(path, told)
    if failed:
        raise CannotRun("; ".join(failed))
    return 0
