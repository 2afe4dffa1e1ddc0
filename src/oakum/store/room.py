"""Whether a store on a server has room for more jobs: looked at once a second, and when what has come in since may fill it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from oakum.errors import StoreError, StoreFull
from oakum.model.job import NewJob
from oakum.store.base import Instant, Space
from oakum.units import format_size

EVERY_MS: Final = 1000
JOB_BYTES: Final = 200  # what a small job takes beside its payload, by `bench`


class StoreRoom:
    """The room of one store, as one of its users sees it. `space` asks the server, `shown` names it."""

    def __init__(self, space: Callable[[], Space], shown: str) -> None:
        self._space, self._shown = space, shown
        self._left = 0.0
        self._looked_ms = -EVERY_MS

    def check(self, jobs: Sequence[NewJob], now: Instant) -> None:
        """Raises StoreFull where no more jobs may come in."""
        size = sum(len(job.payload) + JOB_BYTES for job in jobs)
        if size > self._left or not 0 <= now.boot_ms - self._looked_ms < EVERY_MS:
            self._look(now)
        self._left -= size

    def look_ahead(self, now: Instant) -> None:
        """To be called when jobs are in: looks, where that will soon be due, so that the start of the next ones does not wait for it."""
        if now.boot_ms - self._looked_ms >= EVERY_MS // 2:
            with suppress(StoreError):  # the next check meets it
                self._look(now)

    def _look(self, now: Instant) -> None:
        self._left = 0.0
        space = self._space()
        check_space(space, self._shown)
        self._left = math.inf if space.limit is None else space.limit - space.used
        self._looked_ms = now.boot_ms


def check_space(space: Space, shown: str) -> None:
    """Raises StoreFull for a store that is at its limit."""
    if space.limit is not None and space.used >= space.limit:
        raise StoreFull(
            f"{shown}: the store holds {format_size(space.used)} of the {format_size(space.limit)} it may; raise max_store,"
            " or purge what has ended"
        )
