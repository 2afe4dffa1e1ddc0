"""Mounts of a process's own: nobody else sees them, and they are gone when it ends."""

from __future__ import annotations

import subprocess
from typing import Final

OWN_MOUNTS: Final = ("unshare", "--mount", "--map-root-user")  # the command in which the rest of the words runs


def may_mount() -> bool:
    """Whether this kernel lets this user do so."""
    return subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode == 0
