"""A database server of the benchmark's own, and the stores on it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Protocol

from bench.rig.worker import ROOT

if TYPE_CHECKING:
    from bench.rig.scene import Scene


class Server(Protocol):
    """One server, on this machine. `about` says what it is and how it keeps what it was given; `pid` is its first process."""

    about: str
    url: str
    pid: int

    def fresh(self) -> str:
        """The URL of a store in which nothing is: what was there is gone."""

    def stock(self, one: Scene, rows: int, *, ended: bool) -> None:
        """Brings so many jobs, waiting or ended, into a scene's store on it: as its verbs would have, if not by them."""

    def settle(self) -> None:
        """Returns when it has done what a large fill leaves it to do."""

    def used(self) -> int:
        """Bytes of all that is in it."""


def install(program: str, package: str) -> None:
    """Installs a program that is missing as the other scripts do."""
    if shutil.which(program) is None:
        subprocess.run(
            ["sh", "-c", '. script/lib.sh; install_packages "$1"', "script/bench", package], cwd=ROOT, check=True
        )
