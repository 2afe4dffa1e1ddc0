"""How much the file holds and may hold: by its own bound, or else by what the disk has left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from oakum.errors import StoreFull
from oakum.model.job import NewJob
from oakum.store.base import Space
from oakum.store.room import EVERY_MS, JOB_BYTES, check_space
from oakum.store.sqlite import rules
from oakum.store.sqlite.connection import fetch_one
from oakum.store.sqlite.database import Database
from oakum.units import GIB

SPARED_PART: Final = 20  # a store without a bound leaves one in so many bytes of its disk to others
SPARED_MOST: Final = GIB

_USED: Final = (
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)


def space(db: Database, path: str) -> Space:
    """See `oakum.store.base.Store.space`."""
    size, bound = used(db), rules.in_force(db, "store", "").max_bytes
    return Space(size, size + _free(path) if bound is None else bound)


class Disk:
    """What new jobs may still take of a disk, as one process sees it: looked at once a second, and when they may fill it."""

    def __init__(self, path: str) -> None:
        self._path, self._left, self._looked_ms = path, 0, -EVERY_MS

    def check(self, size: int, now_ms: int) -> None:
        """Raises StoreFull where `size` more bytes of jobs are not to come in."""
        if size > self._left or not 0 <= now_ms - self._looked_ms < EVERY_MS:
            self._left, self._looked_ms = _free(self._path), now_ms
        if not self._left:
            raise StoreFull(
                f"{self._path}: the disk is nearly full, and what is left of it is spared for others; free some room, or say"
                " max_store"
            )
        self._left = max(0, self._left - size)


def check(db: Database, path: str, disk: Disk, jobs: Iterable[NewJob], now_ms: int) -> None:
    """Raises StoreFull where no more jobs may come in."""
    bound = rules.in_force(db, "store", "").max_bytes
    if bound is not None:
        check_space(Space(used(db), bound), path)
    else:
        disk.check(sum([len(job.payload) + JOB_BYTES for job in jobs]), now_ms)


def used(db: Database) -> int:
    """The bytes of the file that hold something."""
    return int(fetch_one(db, _USED)[0])


def _free(path: str) -> int:
    """The bytes of the disk that new jobs may still take."""
    disk = os.statvfs(os.path.dirname(path))
    spared = min(SPARED_MOST, disk.f_blocks * disk.f_frsize // SPARED_PART)
    return max(0, disk.f_bavail * disk.f_frsize - spared)
