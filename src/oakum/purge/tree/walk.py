"""Walks a directory tree depth first over open descriptors, in memory that does not grow with the number of files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from oakum.purge.tree.root import open_below, place

_DEEPEST: Final = 200  # directories open at once, with two descriptors each
_BLOCK: Final = 512  # bytes in a unit of st_blocks, see stat(2)


class Rule(NamedTuple):
    """What goes: regular files whose name `matches`, last changed before `before` (seconds since 1970; None: whenever)."""

    before: float | None
    matches: Callable[[str], object]


class Hand(Protocol):
    """What is done with an entry of an open directory, and with one that could not be dealt with."""

    def file(self, directory: int, name: str) -> bool:
        """Removes a file: whether it is gone. Raises FileNotFoundError where somebody else was faster."""

    def directory(self, parent: int, name: str) -> bool:
        """Removes a directory if nothing is in it: whether it is gone."""

    def skip(self, name: str, why: str) -> None:
        """Hears of an entry that stays although the rule may have meant it."""


class Walk:
    """One walk below an open root, which itself stays. A step yields the bytes that one removed entry freed.

    A directory goes when nothing stays in it and it was emptied just now, or is old where the rule has an age. Links,
    devices, sockets and what lies on another file system or mount stay.
    """

    def __init__(self, root: int, rule: Rule, hand: Hand) -> None:
        self._rule, self._hand, self._home = rule, hand, place(root)
        self._open = [_Directory(open_below(root, "."), "", old=False)]

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        while self._open:
            inside = self._open[-1]
            entry = next(inside.entries, None)
            freed: int | None = None
            if entry is None:
                freed = self._leave()
            elif entry.is_dir(follow_symlinks=False):
                self._enter(inside, entry.name)
            else:
                freed = self._remove(inside, entry)
            if freed is not None:
                return freed
        raise StopIteration

    def close(self) -> None:
        """Closes every directory that is open."""
        while self._open:
            self._open.pop().close()

    def _remove(self, inside: _Directory, entry: os.DirEntry[str]) -> int | None:
        """Removes the file if the rule says so: the bytes that come free, None when it stays."""
        try:
            found = entry.stat(follow_symlinks=False)
            old = self._rule.before is None or found.st_mtime < self._rule.before
            meant = stat.S_ISREG(found.st_mode) and old and self._rule.matches(entry.name)
            gone = meant and self._hand.file(inside.fd, entry.name)
        except FileNotFoundError:  # somebody else was faster
            return None
        if not gone:
            inside.stay += 1
            return None
        inside.emptied = True
        return found.st_blocks * _BLOCK if found.st_nlink == 1 else 0

    def _enter(self, inside: _Directory, name: str) -> None:
        inside.stay += 1  # taken back when it is removed
        if len(self._open) >= _DEEPEST:
            return self._hand.skip(name, f"more than {_DEEPEST} directories deep")
        try:
            fd = open_below(inside.fd, name)
        except (FileNotFoundError, NotADirectoryError):  # gone, or swapped for a link
            return None
        except PermissionError as error:
            return self._hand.skip(name, error.strerror or "may not be opened")
        if place(fd) != self._home:
            os.close(fd)
            return self._hand.skip(name, "on another file system or mount")
        before = self._rule.before
        self._open.append(_Directory(fd, name, old=before is not None and os.fstat(fd).st_mtime < before))
        return None

    def _leave(self) -> int | None:
        """Removes the directory that is through if nothing stays in it: the bytes that come free, None when it stays."""
        left = self._open.pop()
        left.close()
        if not self._open or left.stay or not (left.old or left.emptied):
            return None
        outer = self._open[-1]
        if not self._hand.directory(outer.fd, left.name):
            return None
        outer.stay -= 1
        outer.emptied = True
        return 0


class _Directory:
    """A directory under way: how many of its entries stay, and whether anything was taken out of it."""

    __slots__ = ("emptied", "entries", "fd", "name", "old", "stay")

    def __init__(self, fd: int, name: str, old: bool) -> None:
        self.fd, self.name, self.old = fd, name, old
        self.entries = os.scandir(fd)  # reads on as it is asked: a few kilobytes, however many files there are
        self.stay, self.emptied = 0, False

    def close(self) -> None:
        self.entries.close()
        os.close(self.fd)
