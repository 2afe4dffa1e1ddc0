"""Names of tasks, queues, tags, keys and options, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from oakum.errors import UsageError

LONGEST_NAME: Final = 200


def check_name(name: str, what: str) -> str:
    """A queue's, task's or tag's name: printable, without spaces at the ends, at most 200 characters."""
    if not name or len(name) > LONGEST_NAME or name != name.strip() or not name.isprintable():
        raise UsageError(f"{what}: {name!r} is not a name; use 1 to {LONGEST_NAME} printable characters")
    return name


def check_known(options: Mapping[str, Any], known: type, where: str) -> None:
    """Raises UsageError for an option that `known`, a TypedDict, does not have."""
    for name in options:
        if name not in known.__annotations__:
            raise UsageError(f"{where}: there is no option {name!r}; there are {', '.join(known.__annotations__)}")
