"""Command lines: made fit to be shown, and folded into one family where they differ only in numbers, hashes, paths of runs."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_LONGEST: Final = 200  # characters of a family's name: enough to tell commands apart, bounded for tables

_VARYING: Final = re.compile(
    r"""
    \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b   # a UUID
    | (?<![\w.])(?=[0-9a-f]*\d)[0-9a-f]{7,64}(?![\w.])                 # a hash: hexadecimal with a digit in it
    | \d{4}-\d\d-\d\d(?:[T_ ]?\d\d:?\d\d(?::?\d\d)?(?:\.\d+)?Z?)?    # a date, with a time or without
    | (?<=/tmp/)[^\s/]+                                                # a name made for one run
    | (?<![A-Za-z0-9.])\d+(?:[.:_-]\d+)*(?![A-Za-z0-9])                # numbers, dates, times, addresses
    """,
    re.VERBOSE | re.IGNORECASE,
)

_WORK = re.compile(r"^(\[?kworker/[^-+\]]*)[-+][^\]]*")
_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), "?")


@lru_cache(maxsize=4096)
def fold(args: str) -> str:
    """`"python manage.py crontab run 3f2a9c1"` -> `"python manage.py crontab run *"`: the family of a command line."""
    return _VARYING.sub("*", args[: 4 * _LONGEST])[:_LONGEST].rstrip()


def steady(name: str) -> str:
    """`"[kworker/0:1-events]"` -> `"[kworker/0:1]"`: a kernel worker's name without what it happens to work on."""
    return _WORK.sub(r"\1", name)


def printable(text: str) -> str:
    """The text with `?` for each control character, as ps shows it: anybody may name a process, and root reads the report."""
    return text.translate(_CONTROLS)
