"""`oakum run --install-cron`: the unified diff that guards a crontab. It writes nothing: `patch` and `crontab` do."""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO

from oakum.errors import CannotRun, UsageError
from oakum.units import parse_duration, parse_size
from oakum.watch.crontab import CronLine
from oakum.watch.families import printable
from oakum.watch.guard.cron import guard_crontab, time_limit
from oakum.watch.places import own_command


def show(args: argparse.Namespace) -> int:
    """Prints the diff on standard output, and on standard error which lines stay as they are and why."""
    if args.timeout is not None:
        parse_duration(args.timeout, name="--timeout")
    if args.memory is not None:
        parse_size(args.memory, name="--memory")
    before, name = _read(args.install_cron)
    guarded = guard_crontab(before, _prefix(args), system=name.startswith("/etc/"))
    lines = list(StringIO(before))
    for line in difflib.unified_diff(lines, list(StringIO(guarded.text)), name, name + " (guarded)"):
        ending = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
        sys.stdout.buffer.write((line + ending).encode(errors="surrogateescape"))
    sys.stdout.flush()
    for number, reason in guarded.unchanged:
        print(f"line {number} stays: {reason}: {printable(lines[number - 1].strip())}", file=sys.stderr)
    if guarded.text == before:
        print("nothing to guard", file=sys.stderr)
    return 0


def _prefix(args: argparse.Namespace) -> Callable[[CronLine, str], str]:
    """Writes the guard of one line: the limits given to this call, else the time until the next run is due."""

    def prefix(line: CronLine, lock: str) -> str:
        timeout = args.timeout or time_limit(line)
        options = {"--timeout": timeout, "--memory": args.memory, "--lock": lock, "--archive": args.archive}
        words = [*own_command(), "run"]
        for name, value in options.items():
            words += [] if value is None else [name, value]
        return shlex.join(words)

    return prefix


def _read(source: str) -> tuple[str, str]:
    """The crontab's text and a name for it: your own for "", standard input for "-", else a file."""
    if source == "-":
        return _decoded(sys.stdin.buffer.read()), "crontab"
    if source:
        try:
            with open(source, "rb") as file:
                return _decoded(file.read()), os.path.abspath(source)
        except OSError as error:
            raise UsageError(f"--install-cron: {source}: {error.strerror}") from error
    program = shutil.which("crontab")
    if program is None:
        raise CannotRun("--install-cron: there is no `crontab` here; name a file, like: --install-cron /etc/cron.d/app")
    answer = subprocess.run([program, "-l"], check=False, capture_output=True, timeout=30)
    if answer.returncode != 0:
        raise CannotRun(f"--install-cron: crontab -l: {_decoded(answer.stderr).strip() or 'failed'}")
    return _decoded(answer.stdout), "crontab"


def _decoded(raw: bytes) -> str:
    """Every byte comes out again as it was, whatever the crontab's encoding and line ends: the diff must apply."""
    return raw.decode(errors="surrogateescape")
