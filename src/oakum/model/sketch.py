"""A quantile sketch of a few hundred bytes: relative error 5 %, mergeable, bounded, and it forgets the distant past.

Logarithmic buckets after DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019), without its collapsing rules: values are
clamped to 2**48, so that there are at most 351 buckets.
"""

from __future__ import annotations

import math
from typing import Final

_GAMMA: Final = 1.1  # neighbouring buckets differ by 10 %: a value is known to 5 %
_LOG_GAMMA: Final = math.log(_GAMMA)
_LARGEST: Final = 1 << 48
MEMORY: Final = 10_000  # values remembered at full weight; beyond it all counts are halved, and single ones forgotten


class Sketch:
    """Counts of values in logarithmic buckets. Values are whole and not negative (bytes, microseconds)."""

    __slots__ = ("buckets", "count", "largest", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0
        self.largest = 0

    def add(self, value: int) -> None:
        """Counts one value."""
        value = min(value, _LARGEST)
        bucket = int(math.log(value) / _LOG_GAMMA) + 1 if value >= 1 else 0
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1
        self.total += value
        if value > self.largest:
            self.largest = value

    def merge(self, other: Sketch) -> None:
        """Counts all that `other` counted, then forgets half of everything once there is more than `MEMORY` of it."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)
        while self.count > MEMORY:
            self._halve()

    def _halve(self) -> None:
        before = self.count
        self.buckets = {bucket: count // 2 for bucket, count in self.buckets.items() if count > 1}
        self.count = sum(self.buckets.values())
        self.total = self.total * self.count // before
        self.largest = min(self.largest, int(_GAMMA ** max(self.buckets)))  # the upper end of the last bucket left

    def quantile(self, q: float) -> float:
        """The value below which a share `q` of them lies, 0.0 when there is none; `q` 1.0 is the largest, exactly."""
        if not self.count:
            return 0.0
        if q >= 1.0:
            return float(self.largest)
        rank, seen = q * (self.count - 1), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen > rank:
                return min(_middle(bucket), float(self.largest))
        return float(self.largest)

    @property
    def mean(self) -> float:
        """The mean, 0.0 when there is none."""
        return self.total / self.count if self.count else 0.0

    def pack(self) -> tuple[int, int, dict[int, int]]:
        """As plain values: total, largest, buckets."""
        return self.total, self.largest, self.buckets

    @classmethod
    def unpack(cls, data: tuple[int, int, dict[int, int]]) -> Sketch:
        """The sketch that `pack` gave."""
        sketch = cls()
        sketch.total, sketch.largest, sketch.buckets = data[0], data[1], dict(data[2])
        sketch.count = sum(sketch.buckets.values())
        return sketch


def _middle(bucket: int) -> float:
    return 0.0 if bucket == 0 else _GAMMA ** (bucket - 0.5)
