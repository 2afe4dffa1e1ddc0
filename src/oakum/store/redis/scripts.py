"""The Lua scripts: one a verb, each with what it shares with others in front of it."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_WHEN_SHUT: Final = frozenset({
    "settle", "renew", "fence", "discharge", "progress", "observe", "keep_memo",
    "shut", "furnish", "restore", "restore_keys",
})  # fmt: skip
"""The scripts that write in a store that is shut, too: they end what runs, or fill it. All that only read may."""

_FLOORS: Final = "base", "shared", "records", "limits", "lines", "keys", "ending", "inserting"
"""What scripts stand on, each on those before it. A script gets as many as it uses: the server makes all of it anew at each call."""

_DEFINED: Final = re.compile(r"^local (?:function )?([\w, ]+)", re.MULTILINE)


class Script(NamedTuple):
    """A script and the SHA-1 by which the server knows it once it has seen it."""

    text: bytes
    sha: bytes


@cache
def script(verb: str, version: int) -> Script:
    """The script of a verb, for stores of a version: it looks first whether the store has that.

    Its first line, which says what it may do when memory is short, stays the first.
    """
    flags, _, body = _read(verb).partition("\n")
    may = "true" if verb in _WHEN_SHUT or "no-writes" in flags else "false"
    head = f"local VERSION, MAY_WHEN_SHUT = {version}, {may}"
    text = "\n".join([flags, head, *_below(body), body]).encode()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def _below(body: str) -> list[str]:
    """The floors up to the last one of which `body` uses a name. Each verb stands on the first two."""
    words = set(re.findall(r"\w+", re.sub("--.*", "", body)))
    floors = [_read(name) for name in _FLOORS]
    while len(floors) > 2 and words.isdisjoint(re.findall(r"\w+", " ".join(_DEFINED.findall(floors[-1])))):
        floors.pop()
    return floors


def upgrade(batch: str, version: int, *, ends: bool) -> bytes:
    """The script that does one batch of a step to a version: see `oakum.store.redis.schema.Step`."""
    head = f"local VERSION, ENDS = {version}, {'true' if ends else 'false'}"
    return "\n".join(["#!lua", head, _read("base"), _read("upgrade"), batch]).encode()


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text("utf-8")
