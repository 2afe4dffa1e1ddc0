"""Opens the directory beneath which everything happens: later steps name one entry of an open directory, never a path."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from oakum.errors import CannotRun, UsageError

_STEP: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """Where an open directory lies: a file system, and the mount through which it is seen (a bind mount has its own)."""

    device: int
    mount: int


def open_root(path: str | os.PathLike[str]) -> int:
    """A descriptor of the directory `path`, reached step by step without following a link.

    Raises UsageError where a part of the path is a link or no directory, CannotRun where it may not be opened.
    """
    text = os.fspath(path)
    fd = os.open("/" if text.startswith("/") else ".", os.O_PATH | _STEP)
    try:
        for part in [part for part in text.split("/") if part not in {"", "."}]:
            inner = os.open(part, os.O_PATH | _STEP, dir_fd=fd)
            os.close(fd)
            fd = inner
        return open_below(fd, ".")
    except NotADirectoryError:
        real = os.path.realpath(text)
        hint = f"it leads through a link; write {real}" if os.path.isdir(text) else "give one"
        raise UsageError(f"{text!r} is not a directory: {hint}") from None
    except (OSError, ValueError) as error:
        raise CannotRun(f"cannot open the directory {text!r}: {getattr(error, 'strerror', error)}") from error
    finally:
        os.close(fd)


def open_below(parent: int, name: str) -> int:
    """A descriptor of the directory `name` in `parent`. Raises NotADirectoryError where it is a link by now."""
    return os.open(name, os.O_RDONLY | _STEP, dir_fd=parent)


def place(fd: int) -> Place:
    """Where the open directory lies: `mnt_id` is in /proc/PID/fdinfo/FD, see proc(5)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
        mount = next(int(line.split()[1]) for line in lines if line.startswith("mnt_id:"))
    return Place(os.fstat(fd).st_dev, mount)
