"""Puts `oakum run` in front of the commands of a crontab, where that is certain to keep their meaning. Pure."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Final

from oakum.watch.crontab import CronLine, interval, read_crontab

_LONGEST_RUN: Final = 86_400.0
_WORD: Final = r"""(?:[^\s'"\\;&|<>()`$%{}!]|\\.|'[^'%]*'|"(?:[^"\\`$%]|\\.)*"|\$\w+|\$\{\w+\})+"""
_SIMPLE: Final = re.compile(
    rf"""
    (?P<before>(?:cd\s+{_WORD}\s*&&\s*)?(?:\w+={_WORD}?\s+)*)
    (?P<command>{_WORD}(?:\s+{_WORD})*)
    (?P<after>(?:\s*\d*(?:>>|>|<)\s*{_WORD}|\s*&>>?\s*{_WORD}|\s*\d*>&[\d-])*)\s*
    """,
    re.VERBOSE,
)
_SHELL_WORDS: Final = re.compile(
    r"\.|\[\[?|alias|break|case|cd|command|continue|eval|exec|exit|export|for|function|if|local|read|return|set|shift|source"
    r"|test|time|trap|type|ulimit|umask|unset|until|wait|while"
)
_GUARDS: Final = frozenset(("oakum", "timeout", "flock", "run-one", "solo"))
_LAUNCHERS: Final = re.compile(
    r"(?:env|nice|ionice|sudo|chronic|sh|bash|dash|zsh|perl|php|ruby|node|java|uv|poetry|pipenv|python[\d.]*|\d+)"
)


@dataclass(frozen=True, slots=True)
class GuardedCrontab:
    """A crontab with guards in it, and for each line that stayed as it was, why: (line number, reason)."""

    text: str
    unchanged: list[tuple[int, str]]


def guard_crontab(text: str, prefix: Callable[[CronLine, str], str], *, system: bool = False) -> GuardedCrontab:
    """`text` with `prefix(line, lock name)` before each command that it can stand before.

    Lines that are more than one command to their shell, or are guarded already, stay as they are, and are listed.
    """
    lines = list(StringIO(text))  # splits at newlines alone, as cron does
    unchanged: list[tuple[int, str]] = []
    for line in read_crontab(text, system=system):
        ending = lines[line.number - 1][len(line.text) :]
        try:
            before, command, after = _split(line)
        except _NotSimple as reason:
            unchanged.append((line.number, str(reason)))
            continue
        output = " --output pass" if after else ""  # its own log must go on being written
        guard = prefix(line, lock_name(command)) + output
        lines[line.number - 1] = f"{line.text[: line.start]}{before}{guard} -- {command}{after}{ending}"
    return GuardedCrontab("".join(lines), unchanged)


def simple_command(command: str) -> str | None:
    """The one command that a crontab's shell starts for this, without `cd`, settings and redirections; None for more."""
    match = _SIMPLE.fullmatch(command)
    return None if match is None else match["command"]


class _NotSimple(Exception):
    """Why a line stays as it is."""


def _split(line: CronLine) -> tuple[str, str, str]:
    """`cd` and settings before the command, the command, redirections after it: verbatim, so that they join again."""
    if line.schedule == "@reboot":
        raise _NotSimple("what starts with the host may be meant to stay: write a unit for it")
    match = _SIMPLE.fullmatch(line.command)
    if match is None:
        raise _NotSimple("more than one simple command: put it into a script, or guard its parts by hand")
    first = os.path.basename(match["command"].split()[0])
    if first in _GUARDS:
        raise _NotSimple(f"guarded already, by {first}")
    if _SHELL_WORDS.fullmatch(first):
        raise _NotSimple(f"'{first}' is a word of the shell, not a command")
    return match["before"], match["command"], match["after"]


def lock_name(command: str) -> str:
    """A name for the lock of `command`: the word that says most, and a hash that tells it from its like."""
    words = [os.path.basename(word) for word in command.split() if not word.startswith("-")]
    telling = next((word for word in words if not _LAUNCHERS.fullmatch(word)), words[0])
    readable = re.sub(r"[^A-Za-z0-9._-]", "", telling).lstrip(".-")[:40]
    return f"{readable or 'job'}-{hashlib.sha256(command.encode(errors='surrogateescape')).hexdigest()[:6]}"


def time_limit(line: CronLine) -> str | None:
    """How long a run may take where nobody says otherwise: until the next one is due, a day at most. None if unknown."""
    seconds = interval(line.schedule)
    if seconds is None:
        return None
    minutes = round(min(seconds, _LONGEST_RUN) / 60)
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"
