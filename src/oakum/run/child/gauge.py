"""The child's own measure and ring 1: exact peaks around each job, and a limit that malloc meets first.

Limit in force = VmData at rest + what the job may add - what malloc has free already + headroom. A heap with much free
room in it would hide growth from that limit, so such a child declines the job and is replaced.
"""

from __future__ import annotations

import gc
from typing import Final

from oakum.host.limits import DataLimit, Heap, OwnMemory, Sizes
from oakum.units import KIB, MIB, format_size

RISE: Final = 1 * MIB  # below this, what a job leaves behind is not worth a collection
RETAINED_BOUND: Final = 64 * MIB  # a child that has grown by this since its birth is replaced
SMALL: Final = 256 * KIB  # a peak below this is taken at a glance, without reading what has become of the rest
READ_EVERY: Final = 64  # jobs: many small rises are one large one
NOTHING: Final = Sizes(0, 0, 0)


class Gauge:
    """Measures one job after the other. Where the platform lacks a piece, `ring1` says so, and peaks are 0."""

    def __init__(self) -> None:
        self._memory: OwnMemory | None = None
        self._limit: DataLimit | None = None
        self._heap = Heap()
        self.ring1 = ""
        try:
            self._memory = OwnMemory()
            self._limit = DataLimit()
        except OSError as error:
            self.ring1 = f"off: {error}"
        self.rest = self._memory.read() if self._memory is not None else NOTHING
        self._birth = self.rest.resident
        self._fresh = True
        self._low: int | None = None  # a glance at rest, since it was last read
        self._unread = 0
        self._free = self._heap.free()

    @property
    def retained(self) -> int:
        """Bytes by which this child has grown at rest since it was born."""
        return self.rest.resident - self._birth

    def arm(self, limit: int, headroom: int) -> str:
        """Starts the measure of a job that may add `limit` bytes (0: no limit); why it cannot be, or ""."""
        if self._memory is None:
            return ""
        if limit and self._limit is not None:
            if self._free > limit // 4 and not self._fresh:  # a fresh one has what it was born with: so will the next
                self._settle()
                if self._free > limit // 4:
                    return f"{format_size(self._free)} free inside malloc would hide growth under {format_size(limit)}"
            self._limit.set(self.rest.data + max(0, limit - self._free) + headroom)
        self._fresh = False
        self._memory.reset_peak()
        if self._low is None and self._memory.glances:
            self._low = self._memory.glance()
        return ""

    def disarm(self) -> None:
        """Lifts the limit: the first thing to do when it was met, so that what follows has air."""
        if self._limit is not None:
            self._limit.lift()

    def peak(self) -> int:
        """Bytes over the resting size that were resident at most since `arm`."""
        if self._memory is None:
            return 0
        return max(0, self._memory.read().peak - self.rest.resident)

    def remaining(self, limit: int) -> int | None:
        """Bytes that the running job may still take of `limit`."""
        if not limit or self._memory is None:
            return None
        return max(0, limit - (self._memory.read().resident - self.rest.resident))

    def finish(self) -> tuple[int, int | None]:
        """Ends the measure of a job: its peak, and what it left behind where that was worth taking."""
        if self._memory is None:
            return 0, None
        before = self.rest
        self._unread += 1
        if self._low is not None and self._unread < READ_EVERY:
            rise = self._memory.glance() - self._low
            if rise < SMALL:
                return max(0, rise), None  # nothing to speak of can have been left behind either
        self._unread, self._low = 0, None
        sizes = self._memory.read()
        peak = max(0, sizes.peak - before.resident)
        if sizes.resident - before.resident < RISE and sizes.data - before.data < RISE:
            self.rest = sizes
            return peak, None
        self.disarm()
        self._settle()
        return peak, max(0, self.rest.resident - before.resident)

    def _settle(self) -> None:
        """Gives back what can be given back, so that the next job starts from a true resting size."""
        assert self._memory is not None
        self._heap.trim()
        if self._memory.read().resident - self.rest.resident >= RISE:
            gc.collect()
            self._heap.trim()
        self.rest = self._memory.read()
        self._free = self._heap.free()
