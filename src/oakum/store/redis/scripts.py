"""The Lua scripts: one a verb, each with what all share in front of it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

VERSION: Final = 1
"""Of the layout that the scripts write. Each of them looks first whether the store still has it."""

_WHEN_SHUT: Final = frozenset({
    "settle", "renew", "fence", "discharge", "progress", "observe", "keep_memo",
    "shut", "furnish", "restore", "restore_keys",
})  # fmt: skip
"""The scripts that write in a store that is shut, too: they end what runs, or fill it. All that only read may."""

_SHARED: Final = "shared", "records", "limits", "lines", "keys", "ending", "inserting"


class Script(NamedTuple):
    """A script and the SHA-1 by which the server knows it once it has seen it."""

    text: bytes
    sha: bytes


@cache
def script(verb: str) -> Script:
    """The script of a verb. Its first line, which says what it may do when memory is short, stays the first."""
    flags, _, body = _read(verb).partition("\n")
    may = "true" if verb in _WHEN_SHUT or "no-writes" in flags else "false"
    head = f"local VERSION, MAY_WHEN_SHUT = '{VERSION}', {may}"
    parts = [flags, head, *map(_read, _SHARED), body]
    text = "\n".join(parts).encode()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text("utf-8")
