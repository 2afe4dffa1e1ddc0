"""What is asked of the workers and what they can do: counters taken now and then, and what follows from them. Pure.

A sample is raw: counts since the beginning. Rates are differences of two samples, made when somebody asks. What is
kept is thinned with age, so that two days take no more than a few dozen kilobytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

SAMPLE_EVERY_S: Final = 5.0
MOST_FLOWS: Final = 60  # pairs of queue and task in a sample, the busiest ones
ENOUGH_ENDS: Final = 20  # for a rate that is worth something

_THINNING: Final = ((120, 5), (3600, 60), (172_800, 3600))  # up to this age in seconds, one sample in so many
_WINDOWS_S: Final = (60, 3600, 172_800)


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """Jobs of one task in one queue: ever arrived, ever ended, not ended now, and the bytes of those."""

    queue: str
    task: str
    arrived: int
    ended: int
    unfinished: int
    bytes: int


class Served(Struct, frozen=True, array_like=True, gc=False):
    """Starts of one task that ended, ever, and the microseconds they took of a slot."""

    runs: int
    busy_us: int


class Sample(Struct, frozen=True, array_like=True):
    """All counters at one moment (wall milliseconds), and the bytes that the store took."""

    at_ms: int
    flows: tuple[Counted, ...] = ()
    served: dict[str, Served] = {}
    used: int = 0


class Pace(Struct, frozen=True):
    """One task in one queue over the last `window_s` seconds. Jobs per second; `mean_s` seconds of a slot for each."""

    queue: str
    task: str
    window_s: float
    arrivals: float
    endings: float
    mean_s: float | None
    unfinished: int
    bytes: int

    @property
    def offered(self) -> float:
        """Slots that the arrivals would keep busy (erlangs)."""
        return self.arrivals * (self.mean_s or 0.0)

    @property
    def growth(self) -> float:
        """By how many jobs per second there are more."""
        return self.arrivals - self.endings

    @property
    def drain_s(self) -> float | None:
        """Seconds until none is left at this pace, None when that never comes."""
        return self.unfinished / -self.growth if self.growth < 0 and self.unfinished else None


class History:
    """Samples, oldest first, thinner with age."""

    __slots__ = ("samples",)

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self.samples = list(samples)

    def add(self, sample: Sample) -> None:
        """Appends a sample. Those that a clock set back has put into the future are dropped."""
        kept = [each for each in self.samples if each.at_ms < sample.at_ms]
        self.samples = _thin(kept, sample.at_ms)
        self.samples.append(sample)

    def encode(self) -> bytes:
        """As bytes."""
        return msgspec.msgpack.encode(self.samples)

    @classmethod
    def decode(cls, data: bytes | None) -> History:
        """What `encode` gave; an empty one for nothing, and for what another version wrote."""
        if data is None:
            return cls()
        try:
            return cls(msgspec.msgpack.decode(data, type=list[Sample]))
        except msgspec.MsgspecError:
            return cls()

    def paces(self) -> list[Pace]:
        """The pace of each task in each queue, over the shortest window in which enough of it has ended."""
        if len(self.samples) < 2:
            return []
        return [pace for flow in self.samples[-1].flows if (pace := self._pace(flow)) is not None]

    def used_growth(self) -> float | None:
        """By how many bytes per second the store has grown over the last hour, None where that is not known."""
        if len(self.samples) < 2:
            return None
        last, first = self.samples[-1], self._since(3600)
        return (last.used - first.used) / ((last.at_ms - first.at_ms) / 1000)

    def _pace(self, now: Counted) -> Pace | None:
        found: Pace | None = None
        for window in _WINDOWS_S:
            first = self._since(window)
            before = _find(first, now) or Counted(now.queue, now.task, 0, 0, 0, 0)  # nobody had used it yet
            if before.arrived > now.arrived or before.ended > now.ended:
                break  # another store's counters
            found = _between(before, first, now, self.samples[-1])
            if now.ended - before.ended >= ENOUGH_ENDS:
                break
        return found

    def _since(self, window_s: int) -> Sample:
        """The oldest sample of the window, the last but one at least."""
        edge = self.samples[-1].at_ms - window_s * 1000
        return next((each for each in self.samples[:-1] if each.at_ms >= edge), self.samples[-2])


def full_in_s(used: float, bound: float, growth: float) -> float | None:
    """Seconds until `used` meets `bound` if it goes on growing by `growth` a second, None when it never does."""
    return max(0.0, bound - used) / growth if growth > 0 else None


def busiest(flows: Sequence[Counted]) -> tuple[Counted, ...]:
    """As many as a sample takes: those with the most jobs in them now, then those that saw the most."""
    return tuple(sorted(flows, key=lambda flow: (flow.unfinished, flow.arrived), reverse=True)[:MOST_FLOWS])


def _thin(samples: list[Sample], now_ms: int) -> list[Sample]:
    """Of each step of the clock the first sample: it is the first of the coarser step too, if any of that one is."""
    kept: list[Sample] = []
    for sample in samples:
        age_s = (now_ms - sample.at_ms) / 1000
        step = next((step for limit, step in _THINNING if age_s <= limit), None)
        if step is not None and not (kept and kept[-1].at_ms // (step * 1000) == sample.at_ms // (step * 1000)):
            kept.append(sample)
    return kept


def _find(sample: Sample, like: Counted) -> Counted | None:
    return next((flow for flow in sample.flows if (flow.queue, flow.task) == (like.queue, like.task)), None)


def _between(before: Counted, first: Sample, now: Counted, last: Sample) -> Pace:
    seconds = (last.at_ms - first.at_ms) / 1000
    served, had = last.served.get(now.task), first.served.get(now.task, Served(0, 0))
    runs = served.runs - had.runs if served is not None else 0
    return Pace(
        queue=now.queue,
        task=now.task,
        window_s=seconds,
        arrivals=(now.arrived - before.arrived) / seconds,
        endings=(now.ended - before.ended) / seconds,
        mean_s=(served.busy_us - had.busy_us) / runs / 1e6 if served is not None and runs > 0 else None,
        unfinished=now.unfinished,
        bytes=now.bytes,
    )
