"""Where the recorder keeps its archive when nobody says otherwise."""

from __future__ import annotations

import os


def default_archive() -> str:
    """`/var/lib/oakum/watch` for root, `$XDG_STATE_HOME/oakum/watch` (`~/.local/state/...`) for everybody else."""
    if os.geteuid() == 0:
        return "/var/lib/oakum/watch"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "oakum", "watch")
