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

from oakum.errors import CannotRun, UsageError
from oakum.units import parse_duration, parse_size
from oakum.watch.crontab import CronLine
from oakum.watch.guard.cron import guard_crontab, time_limit


def show(args: argparse.Namespace) -> int:
    """Prints the diff on standard output, and on standard error which lines stay as they are and why."""
    if args.timeout is not None:
        parse_duration(args.timeout, name="--timeout")
    if args.memory is not None:
        parse_size(args.memory, name="--memory")
    before, name = _read(args.install_cron)
    guarded = guard_crontab(before, _prefix(args), system=name.startswith("/etc/"))
    diff = difflib.unified_diff(
        before.splitlines(keepends=True), guarded.text.splitlines(keepends=True), name, name + " (guarded)"
    )
    sys.stdout.writelines(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in diff)
    lines = before.splitlines()
    for number, reason in guarded.unchanged:
        print(f"line {number} stays: {reason}: {lines[number - 1].strip()}", file=sys.stderr)
    if guarded.text == before:
        print("nothing to guard", file=sys.stderr)
    return 0


def _prefix(args: argparse.Namespace) -> Callable[[CronLine, str], str]:
    """Writes the guard of one line: the limits given to this call, else the time until the next run is due."""
    oakum = shutil.which("oakum") or os.path.abspath(sys.argv[0])  # cron's own PATH is /usr/bin:/bin

    def prefix(line: CronLine, lock: str) -> str:
        timeout = args.timeout or time_limit(line)
        options = {"--timeout": timeout, "--memory": args.memory, "--lock": lock, "--archive": args.archive}
        words = [oakum, "run"]
        for name, value in options.items():
            words += [] if value is None else [name, value]
        return shlex.join(words)

    return prefix


def _read(source: str) -> tuple[str, str]:
    """The crontab's text and a name for it: your own for "", standard input for "-", else a file."""
    if source == "-":
        return sys.stdin.read(), "crontab"
    if source:
        try:
            with open(source, encoding="utf-8", errors="surrogateescape") as file:
                return file.read(), os.path.abspath(source)
        except OSError as error:
            raise UsageError(f"--install-cron: {source}: {error.strerror}") from error
    program = shutil.which("crontab")
    if program is None:
        raise CannotRun("--install-cron: there is no `crontab` here; name a file, like: --install-cron /etc/cron.d/app")
    answer = subprocess.run(
        [program, "-l"], check=False, capture_output=True, text=True, errors="surrogateescape", timeout=30
    )
    if answer.returncode != 0:
        raise CannotRun(f"--install-cron: crontab -l: {answer.stderr.strip() or 'failed'}")
    return answer.stdout, "crontab"
