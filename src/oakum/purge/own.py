"""Oakum's own history: ended jobs past their retention, and nothing else."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Final

from oakum.errors import StoreFull
from oakum.purge.loop import run
from oakum.purge.options import Options, Report
from oakum.purge.target import Batch, DiskFull
from oakum.store.base import Instant, Store
from oakum.store.open import open_store

_LARGEST_BATCH: Final = 1_000


class EndedJobs:
    """Ended jobs of `store` whose retention is over."""

    unit = "jobs"

    def __init__(self, store: Store, label: str, options: Options) -> None:
        self._store, self.label, self._clock = store, label, options.clock

    def count(self) -> int:
        return self._store.prunable(Instant.read(self._clock))

    def delete(self, size: int) -> Batch | None:
        began = self._clock.monotonic()
        try:
            rows = self._store.prune(Instant.read(self._clock), size)
        except StoreFull as error:
            raise DiskFull(str(error)) from error
        return Batch(rows, self._clock.monotonic() - began, shuts_out=True) if rows else None


def own(url: str, *, options: Options | None = None) -> Report:
    """Deletes ended jobs past their retention from the store at `url`: what a worker does as it goes, at once.

    On a full disk the store frees room first and goes on. Raises UsageError for a URL that names no store, StoreError
    where it can't be opened.
    """
    options = options or Options()
    with closing(open_store(url)) as store:
        target = EndedJobs(store, f"ended jobs of {url.partition('://')[2].rpartition('@')[2]}", options)
        return run(target, replace(options, largest_batch=min(options.largest_batch, _LARGEST_BATCH)))
