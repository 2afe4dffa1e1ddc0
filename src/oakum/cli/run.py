"""`oakum run`: one command inside a time limit, a memory limit and a lock; quiet unless it fails."""

from __future__ import annotations

import argparse
import sys
from typing import Final

_EPILOG: Final = """\
exit status:
  the command's own, or 128 + N where signal N ended it; and
  75   another run holds the lock (--on-busy skip)
  124  ended at its time limit
  125  oakum run itself could not do its work
  126  the command is there but cannot be executed
  127  there is no such command
  137  killed: at its memory limit, or after its time limit because it ignored SIGTERM

examples:
  */5 * * * * oakum run --timeout 60s --memory 200MiB --lock poll -- python manage.py poll
  oakum run --install-cron          shows how your crontab would look guarded; changes nothing
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "oakum run [options] -- COMMAND [ARGUMENT...]\n       oakum run --install-cron [FILE]"
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("command_words", nargs="*", metavar="COMMAND", help="what to run; never through a shell")
    add("--timeout", metavar="TIME", help="end it and all that it started after this time: SIGTERM, then SIGKILL")
    add("--grace", metavar="TIME", default="10s", help="time between SIGTERM and SIGKILL (%(default)s)")
    add("--memory", metavar="SIZE", help="kill it when it and all that it started use this much together")
    add("--rlimit", action="store_true", help="limit each process from inside too: an allocation past --memory fails")
    add("--lock", metavar="NAME", help="never two runs with the same NAME at once")
    add("--on-busy", choices=("skip", "wait", "kill-old"), help="when one runs already with this lock (skip)")
    add("--nice", metavar="N", type=int, default=0, help="lower its priority: 1 to 19")
    add("--output", metavar="SIZE|pass", default="64KiB", help="keep this much of the end of its output and show it "
        "where it fails; 'pass' lets all output through as it comes (%(default)s)")  # fmt: skip
    add("--archive", metavar="PATH", help="where runs are recorded, for `oakum watch show`")
    add("--install-cron", nargs="?", const="", metavar="FILE", help="show the diff that guards a crontab ('-': from "
        "standard input; without FILE: your own), with the limits given here; nothing is written")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from oakum.errors import CannotRun, UsageError
    from oakum.watch.guard.outcome import EXIT_CANNOT_RUN

    if args.install_cron is not None:
        from oakum.cli import run_cron

        return run_cron.show(args)
    if not args.command_words:
        raise UsageError("run: no command; write it after --, like: oakum run --timeout 60s -- backup.sh /srv")
    if not 0 <= args.nice <= 19:
        raise UsageError(f"--nice: {args.nice} is not from 0 to 19")
    if args.on_busy is not None and args.lock is None:
        raise UsageError(f"--on-busy {args.on_busy}: busy with what? Name it with --lock NAME")
    try:
        return _run(args)
    except CannotRun as error:
        print(f"oakum run: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN


def _run(args: argparse.Namespace) -> int:
    from oakum.clock import SystemClock
    from oakum.units import parse_duration, parse_size
    from oakum.watch.guard.locks import OnBusy
    from oakum.watch.guard.outcome import Limits, describe
    from oakum.watch.guard.session import Guard, guarded_run
    from oakum.watch.guard.tail import Tail
    from oakum.watch.places import default_archive

    limits = Limits(
        timeout=None if args.timeout is None else parse_duration(args.timeout, name="--timeout"),
        memory=_memory(args.memory),
        grace=parse_duration(args.grace, name="--grace", zero=True),
        rlimit=args.rlimit,
        nice=args.nice,
    )
    guard = Guard(
        args.command_words, limits, args.lock, OnBusy(args.on_busy or OnBusy.SKIP), args.archive or default_archive()
    )
    output = None if args.output == "pass" else Tail(parse_size(args.output, name="--output"))
    outcome, unrecorded, orphans = guarded_run(guard, SystemClock(), output)
    if orphans:
        print(
            f"oakum run: ended {orphans} process{'es' * (orphans > 1)} that a killed run had left behind",
            file=sys.stderr,
        )
    if not outcome.fine:
        if output is not None:
            sys.stderr.buffer.write(output.text())
        print(f"oakum run: {describe(guard.command, limits, outcome)}", file=sys.stderr)
    if unrecorded is not None:
        print(f"oakum run: this run could not be recorded: {unrecorded}", file=sys.stderr)
    return outcome.exit_status


def _memory(text: str | None) -> int | None:
    from oakum.errors import UsageError
    from oakum.units import MIB, parse_size

    size = None if text is None else parse_size(text, name="--memory")
    if size is not None and size < MIB:
        raise UsageError(f"--memory {text}: less than any program needs; write it like 200MiB")
    return size
