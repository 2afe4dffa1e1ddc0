"""What has been measured of a task: kept in the store, merged by every worker, bounded in size."""

from __future__ import annotations

from typing import Final

import msgspec

from oakum.model.sketch import Sketch

_Packed = tuple[int, int, int, int, int, tuple[int, int, dict[int, int]], tuple[int, int, dict[int, int]]]
_DECODER: Final = msgspec.msgpack.Decoder(_Packed)
_ENCODER: Final = msgspec.msgpack.Encoder()


class TaskStats:
    """Runs, failures, durations (microseconds), memory peaks and what was retained (bytes) of one task.

    `runs` and `busy_us`, the sum of the durations, only grow: rates are taken from them.
    """

    __slots__ = ("busy_us", "duration", "failures", "peak", "retained", "retained_runs", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.busy_us = 0
        self.failures = 0
        self.retained = 0
        self.retained_runs = 0
        self.duration = Sketch()
        self.peak = Sketch()

    def merge(self, other: TaskStats) -> None:
        """Adds what `other` measured."""
        self.runs += other.runs
        self.busy_us += other.busy_us
        self.failures += other.failures
        self.retained += other.retained
        self.retained_runs += other.retained_runs
        self.duration.merge(other.duration)
        self.peak.merge(other.peak)

    @property
    def retained_per_run(self) -> float:
        """Bytes that a run leaves behind in its child, over the runs after which it was taken."""
        return self.retained / self.retained_runs if self.retained_runs else 0.0

    def encode(self) -> bytes:
        """As bytes, a few hundred of them."""
        counts = self.runs, self.busy_us, self.failures, self.retained, self.retained_runs
        return _ENCODER.encode((*counts, self.duration.pack(), self.peak.pack()))

    @classmethod
    def decode(cls, data: bytes) -> TaskStats:
        """What `encode` gave."""
        stats = cls()
        *counts, duration, peak = _DECODER.decode(data)
        stats.runs, stats.busy_us, stats.failures, stats.retained, stats.retained_runs = counts
        stats.duration, stats.peak = Sketch.unpack(duration), Sketch.unpack(peak)
        return stats
