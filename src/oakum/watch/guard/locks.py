"""One run at a time: a named lock that the kernel frees with its holder, and three things to do when it is taken."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from typing import Final

from oakum.errors import CannotRun, UsageError
from oakum.host.tree import start_ticks

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)


class OnBusy(StrEnum):
    """What a run does when another one holds its lock."""

    SKIP = "skip"
    WAIT = "wait"  # one run waits at the most; a further one skips, so that waiting runs never pile up
    KILL_OLD = "kill-old"


@contextmanager
def only_one(directory: str, name: str, on_busy: OnBusy, patience: float) -> Iterator[bool]:
    """Holds the lock `name` in `directory` while the body runs; yields False where it is another run's turn.

    `patience` is how many seconds `kill-old` gives the older run to end. Raises UsageError for a name that is no file
    name, CannotRun where the lock cannot be had, the directory is not this user's alone or the older run does not end.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"--lock: {name!r} is not a name; use letters, digits, '.', '_' and '-', at most 100")
    with ExitStack() as stack:
        try:
            _make_private(directory)
            ours = _enter(stack, os.path.join(directory, name), on_busy, patience)
        except OSError as error:
            raise CannotRun(f"--lock {name}: {error.filename or directory}: {error.strerror}") from error
        yield ours


def _enter(stack: ExitStack, path: str, on_busy: OnBusy, patience: float) -> bool:
    """Takes the lock, which `stack` gives back, or what `on_busy` says; whether it is ours then. Raises OSError."""
    lock = stack.enter_context(_opened(path + ".lock"))
    taken = _take(lock)
    if not taken and on_busy is OnBusy.WAIT:
        turnstile = stack.enter_context(_opened(path + ".next"))
        if _take(turnstile):
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            taken = True
    elif not taken and on_busy is OnBusy.KILL_OLD:
        _end_holder(lock, os.path.basename(path), patience)
        taken = _take(lock)
    if taken:
        _sign(lock)
    return taken


def _sign(lock: int) -> None:
    """Notes in the lock's file whom `kill-old` ends. A full disk has no room for it: then nobody is ended."""
    with suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d %d\n" % (os.getpid(), start_ticks(os.getpid()) or 0), 0)


def _make_private(directory: str) -> None:
    os.makedirs(directory, mode=0o700, exist_ok=True)
    state = os.lstat(directory)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise CannotRun(f"{directory}: locks need a directory of your own with mode 0700; run: chmod 700 {directory}")


@contextmanager
def _opened(path: str) -> Iterator[int]:
    # Never unlinked: a lock on a file that has lost its name keeps nobody out.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_holder(lock: int, name: str, patience: float) -> None:
    """SIGTERM to the run that holds the lock, which then ends its own tree. Returns when it is gone, or is nobody."""
    try:
        pid, start = (int(word) for word in os.pread(lock, 64, 0).split())
        holder = os.pidfd_open(pid)
    except (ValueError, ProcessLookupError):
        return  # between two holders: the next try decides
    try:
        if start_ticks(pid) != start:
            return  # the note of a run that was killed; its number is somebody else's now
        signal.pidfd_send_signal(holder, signal.SIGTERM)
        watch = select.poll()
        watch.register(holder, select.POLLIN)
        if not watch.poll(patience * 1000):
            raise CannotRun(f"--lock {name}: the older run, pid {pid}, did not end within {patience:.0f} s")
    finally:
        os.close(holder)
