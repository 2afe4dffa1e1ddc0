"""The Lua scripts: one a verb, each with what all share in front of it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_WHEN_SHUT: Final = frozenset({
    "settle", "renew", "fence", "discharge", "progress", "observe", "keep_memo",
    "shut", "furnish", "restore", "restore_keys",
})  # fmt: skip
"""The scripts that write in a store that is shut, too: they end what runs, or fill it. All that only read may."""

_SHARED: Final = "base", "shared", "records", "limits", "lines", "keys", "ending", "inserting"


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
    text = "\n".join([flags, head, *map(_read, _SHARED), body]).encode()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def upgrade(batch: str, version: int, *, ends: bool) -> bytes:
    """The script that does one batch of a step to a version: see `oakum.store.redis.schema.Step`."""
    head = f"local VERSION, ENDS = {version}, {'true' if ends else 'false'}"
    return "\n".join(["#!lua", head, _read("base"), _read("upgrade"), batch]).encode()


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text("utf-8")
