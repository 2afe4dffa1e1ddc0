"""Where the recorder keeps its archive when nobody says otherwise, and where Oakum itself is."""

from __future__ import annotations

import os
import shutil
import sys


def default_archive() -> str:
    """`/var/lib/oakum/watch` for root, `$XDG_STATE_HOME/oakum/watch` (`~/.local/state/...`) for everybody else."""
    if os.geteuid() == 0:
        return "/var/lib/oakum/watch"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "oakum", "watch")


def own_command() -> list[str]:
    """`oakum` by its absolute path, for crontabs and units, whose PATH is another; beside this interpreter first."""
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    program = shutil.which("oakum", path=path)
    return [sys.executable, "-m", "oakum"] if program is None else [os.path.abspath(program)]
