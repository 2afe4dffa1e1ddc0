"""What a run leaves behind when `oakum run` itself is killed: known by a mark in its environment, ended by the next run.

The kernel ends the command with its `oakum run` (PR_SET_PDEATHSIG), but not what the command had started. All of that
inherits the mark; a file of the mark's name is there as long as the run is.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

from oakum.clock import Clock
from oakum.host import cgroup
from oakum.host.tree import start_ticks

MARK: Final = "OAKUM_RUN"
GROUP_PREFIX: Final = "oakum-run-"
_ROUNDS: Final = 20  # of looking and killing: what forks meanwhile is found by the next one
_MOST_AT_ONCE: Final = 500  # each takes a descriptor
_PATIENCE: Final = 2.0  # seconds in a round for what was killed to go
_LARGEST_ENVIRONMENT: Final = 1024**2


@contextmanager
def marked(directory: str) -> Iterator[str]:
    """This run's mark, and its file in `directory` while the body runs. Without the file nobody looks for the mark."""
    mark = f"{os.getpid()}-{start_ticks(os.getpid())}"
    path = os.path.join(directory, mark)
    with contextlib.suppress(OSError):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    try:
        yield mark
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def end_orphans(directory: str, clock: Clock) -> int:
    """Kills what runs have left behind whose own process was killed, and says how many there were.

    Where something does not go in time, its mark stays, and the next run looks again.
    """
    try:
        stale = [mark for mark in os.listdir(directory) if not _lives(mark)]
    except OSError:
        return 0  # nothing ran here yet
    ended = 0
    for mark in stale:
        ended += _kill_all(mark, clock)
        if not any(_marked_with(mark)):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(directory, mark))
    hierarchy = cgroup.find() if stale else None
    if hierarchy is not None:
        cgroup.sweep(hierarchy, GROUP_PREFIX)
    return ended


def _lives(mark: str) -> bool:
    pid, _, start = mark.partition("-")
    return not pid.isdigit() or str(start_ticks(int(pid))) == start


def _kill_all(mark: str, clock: Clock) -> int:
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = set(islice(_marked_with(mark), _MOST_AT_ONCE))
        if found <= killed:
            break
        _kill(found, clock)
        killed |= found
    return len(killed)


def _kill(pids: set[int], clock: Clock) -> None:
    """Kills processes and waits until they have gone: before that their control group can't be taken away."""
    with contextlib.ExitStack() as opened:
        fds = []
        for pid in pids:
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(pid)
                opened.callback(os.close, fd)
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                fds.append(fd)
        until = clock.monotonic() + _PATIENCE
        for fd in fds:
            select.select([fd], [], [], max(until - clock.monotonic(), 0.0))


def _marked_with(mark: str) -> Iterator[int]:
    """The processes of this user that have the mark in the environment that they were started with."""
    wanted = f"{MARK}={mark}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read(_LARGEST_ENVIRONMENT).split(b"\0"):
                    yield int(name)
