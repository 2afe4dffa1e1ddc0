"""The demo's input: the source files of this machine's own standard library."""

from __future__ import annotations

import os
import sysconfig

from oakum.errors import CannotRun

_NOT = ("site-packages", "dist-packages", "__pycache__", "bad_coding", "lib2to3", "badsyntax", "encoded_modules")


def files(most: int) -> list[str]:
    """Up to `most` source files, spread over the whole library and its whole range of sizes. Raises CannotRun without any."""
    root = sysconfig.get_paths()["stdlib"]
    found: list[str] = []
    for directory, below, names in os.walk(root):
        below[:] = sorted(name for name in below if name not in _NOT)
        found += [
            os.path.join(directory, name) for name in names if name.endswith(".py") and not name.startswith("bad")
        ]
    if not found:
        raise CannotRun(f"demo: there is no Python source under {root}; install the standard library's sources")
    found.sort()
    step = max(1, len(found) // most)
    return found[::step][:most]
