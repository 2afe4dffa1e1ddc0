"""The layout of the store's keys, and how an older one becomes a present one: forward only, batch by batch.

A batch is one script: Redis runs it alone, and keeps all of it or nothing. It goes on where the last batch ended, whoever did that,
and notes where it ends itself. So there is no lock that a process could die with, and none is in the way of another.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from oakum.errors import StoreTooNew
from oakum.store.redis.scripts import upgrade
from oakum.store.redis.server import Ask

VERSION: Final = 1
_UNDER_WAY: Final = b"to "  # before the number of a version while batches of the step to it are still to come


class Step(NamedTuple):
    """How a store of one version becomes one of the next.

    `batch` is Lua behind `lua/upgrade.lua`: it does a bounded part of the step, from `cursor` on (false: from the start), and ends
    with `return go_on(cursor)`, nil when all is done. `ends`: whether a worker of the version before may still end
    what it has begun, since what it writes then is right in the new layout too.
    """

    batch: str
    ends: bool


_STEPS: Final[tuple[Step, ...]] = ()  # step n makes version n + 2 of version n + 1: the first version needs none


def prepare(ask: Ask, key: str, shown: str) -> None:
    """Makes the store if it is not there, and brings it to the present version. Raises StoreTooNew."""
    found = ask("HGET", key + "meta", "version")
    if found is None:
        ask("HSETNX", key + "meta", "version", VERSION)
    elif found != b"%d" % VERSION:
        reached = number(found)
        refuse_newer(reached, shown)
        for version, step in enumerate(_STEPS, 2):
            if version >= reached:
                script = upgrade(step.batch, version, ends=step.ends)
                while ask("EVAL", script, 1, key):
                    pass


def number(found: bytes) -> int:
    """Of what a store has in the place of its version; of one that is on its way, the version that it becomes."""
    return int(found.removeprefix(_UNDER_WAY))


def refuse_newer(version: int, shown: str) -> None:
    """Raises StoreTooNew for the number of a later version."""
    if version > VERSION:
        raise StoreTooNew(
            f"{shown}: schema {version} was written by a newer Oakum than this one, which knows {VERSION}; upgrade Oakum here"
        )
