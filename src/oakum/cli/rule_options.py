"""Options that say a queue's or a task's bounds and limits, and what they say: for `oakum queue set` and `oakum task set`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from oakum.errors import UsageError

if TYPE_CHECKING:
    from oakum.run.rules import RuleOptions

_MEANINGS: Final = {
    "max_jobs": ("N", "how many jobs it may hold that have not ended"),
    "max_bytes": ("SIZE", "how many bytes of arguments they may have"),
    "on_full": ("WHAT", "block, reject, drop_oldest or drop_newest"),
    "limit": ("N", "how many of its jobs run at once, over all workers"),
    "rate": ("N/TIME", "how many start in a period, like 100/1m"),
    "key_limit": ("N", "how many of one key run at once"),
    "key_rate": ("N/TIME", "how many of one key start in a period"),
}
_COUNTS: Final = ("max_jobs", "limit", "key_limit")
_NONE: Final = {"key_limit": 1, "on_full": "block"}

QUEUE: Final = tuple(_MEANINGS)
TASK: Final = ("limit", "rate")


def add(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """The options of these names."""
    for name in names:
        metavar, meaning = _MEANINGS[name]
        parser.add_argument(_flag(name), metavar=metavar, help=f"{meaning}; none: no such rule")


def read(args: argparse.Namespace, names: Iterable[str], command: str) -> RuleOptions:
    """What was given of them. Raises UsageError for nothing, and for what is no count."""
    given = {name: getattr(args, name) for name in names}
    changes = {name: _read(name, text) for name, text in given.items() if text is not None}
    if not changes:
        raise UsageError(f"{command}: nothing is to change; give {', '.join(map(_flag, names))}")
    return cast("RuleOptions", changes)


def _read(name: str, text: str) -> object:
    if text == "none":
        return _NONE.get(name)
    if name not in _COUNTS:
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{_flag(name)}: {text!r} is not a count of at least 1") from None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
