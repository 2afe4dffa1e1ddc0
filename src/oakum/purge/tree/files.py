"""Old files below a directory as a purge's target."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from itertools import islice
from typing import Final

from oakum.purge.target import Batch
from oakum.purge.tree.root import open_root
from oakum.purge.tree.walk import Rule, Walk

_STAYS: Final = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS, errno.EISDIR}
_IN_USE: Final = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR}  # somebody else works in it
_SAID: Final = 10


class Files:
    """Files that `rule` means below the directory `path`, and the directories that they leave empty."""

    unit = "files and empty directories"

    def __init__(self, path: str | os.PathLike[str], rule: Rule, note: Callable[[str], None]) -> None:
        self.label, self._rule = os.fspath(path), rule
        self._root = open_root(path)
        self._remover = _Remover(note)
        self._walk = Walk(self._root, rule, self._remover)

    @property
    def skipped(self) -> int:
        """How many entries stayed because they could not be opened or removed."""
        return self._remover.skipped

    def count(self) -> int:
        walk = Walk(self._root, self._rule, _Counter())
        try:
            return sum(1 for _ in walk)
        finally:
            walk.close()

    def delete(self, size: int) -> Batch | None:
        freed = rows = 0
        for freed_now in islice(self._walk, size):
            freed += freed_now
            rows += 1
        return Batch(rows, 0.0, freed) if rows else None

    def close(self) -> None:
        self._walk.close()
        os.close(self._root)


class _Remover:
    """Removes, and says of the first few entries why they stay."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self.skipped = note, 0

    def file(self, directory: int, name: str) -> bool:
        return self._gone(os.unlink, directory, name)

    def directory(self, parent: int, name: str) -> bool:
        try:
            return self._gone(os.rmdir, parent, name)
        except OSError as error:
            if error.errno in _IN_USE:
                return False
            raise

    def skip(self, name: str, why: str) -> None:
        self.skipped += 1
        if self.skipped <= _SAID:
            self._note(f"left alone: {name!r}: {why}")

    def _gone(self, remove: Callable[..., None], directory: int, name: str) -> bool:
        try:
            remove(name, dir_fd=directory)
        except OSError as error:
            if error.errno not in _STAYS:
                raise
            self.skip(name, error.strerror or str(error))
            return False
        return True


class _Counter:
    """Removes nothing and answers as if all had gone well."""

    def file(self, directory: int, name: str) -> bool:  # noqa: ARG002
        return True

    def directory(self, parent: int, name: str) -> bool:  # noqa: ARG002
        return True

    def skip(self, name: str, why: str) -> None:
        """Said when it is done in earnest."""
