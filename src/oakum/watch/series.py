"""Figures of one thing over time, in compact columns: of a process, a control group, the host; and of short-lived ones."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from oakum.watch.families import fold
from oakum.watch.tables import UNKNOWN

_TYPECODES: Final = {"state": "b", "wchan": "i", "peers": "i", "threads": "i", "fds": "i"}
_WIDE: Final = "q"


class ProcessKey(NamedTuple):
    """One process and no other: `boot` is an index in `History.boots`, `start_s` is in seconds since 1970."""

    boot: int
    pid: int
    start_s: int


class Identity(NamedTuple):
    """What a process is: as last seen, for a process may call exec. `cgroup` and `user` are "" where not known."""

    ppid: int
    user: str
    comm: str
    args: str
    cgroup: str = ""


class Series:
    """Figures of one thing over time: `ticks` are indices in `History.times`, ascending; every column is as long.

    Columns hold `UNKNOWN` where a figure was not known. A thinned column has companions, `rss.low` and `rss.high`
    (smallest and largest within the step); the column itself is then the last value of the step.
    """

    __slots__ = ("columns", "name", "ticks")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ticks: array[int] = array("I")
        self.columns: dict[str, array[int]] = {}

    def __len__(self) -> int:
        return len(self.ticks)

    def extend(self, ticks: Sequence[int], columns: Mapping[str, Sequence[int]]) -> None:
        """Adds samples at the end; columns missing on either side are filled with what they stand for."""
        before = len(self.ticks)
        for name in columns.keys() - self.columns.keys():
            self.columns[name] = array(_TYPECODES.get(name, _WIDE), self._filling(name, self.columns, before))
        for name, column in self.columns.items():
            column.extend(columns[name] if name in columns else self._filling(name, columns, len(ticks)))
        self.ticks.extend(ticks)

    @staticmethod
    def _filling(name: str, columns: Mapping[str, Sequence[int]], count: int) -> Sequence[int]:
        whole, dot, _ = name.partition(".")
        return columns[whole] if dot and whole in columns else (UNKNOWN,) * count  # unthinned: low and high are itself

    def column(self, name: str) -> array[int] | None:
        """The column, or None where it was never known."""
        return self.columns.get(name)

    def low(self, name: str) -> array[int] | None:
        """The smallest values within each step: the column itself where nothing was thinned."""
        return self.columns.get(f"{name}.low", self.columns.get(name))

    def high(self, name: str) -> array[int] | None:
        """The largest values within each step: the column itself where nothing was thinned."""
        return self.columns.get(f"{name}.high", self.columns.get(name))

    def at(self, name: str, index: int) -> int | None:
        """The figure of the sample at `index`, None where not known."""
        column = self.columns.get(name)
        return None if column is None or column[index] == UNKNOWN else column[index]

    def last(self, name: str) -> int | None:
        """The newest figure that is known."""
        return next((value for value in reversed(self.columns.get(name, ())) if value != UNKNOWN), None)


class ProcessSeries(Series):
    """One process. Columns: rss, pss [bytes], cpu_ms [user + system, since its start], threads, fds, state, wchan, peers.

    `state` is the letter's code (`chr`), `wchan` and `peers` are indices in `History.texts`.
    """

    __slots__ = ("family", "identity", "key")

    def __init__(self, key: ProcessKey, identity: Identity) -> None:
        super().__init__(identity.args or identity.comm)
        self.key = key
        self.identity = identity
        self.family = fold(identity.args or identity.comm)

    def rename(self, identity: Identity) -> None:
        """The process called exec: it is another command now."""
        self.identity, self.name, self.family = identity, identity.args, fold(identity.args or identity.comm)

    @property
    def rss(self) -> array[int]:
        """Resident bytes; empty only before the first sample."""
        return self.columns.get("rss", array(_WIDE))


@dataclass(slots=True)
class Churn:
    """Processes of one family that were alive in a single sample: counted, not kept one by one.

    One entry a tick: how many were seen, and the largest of them in bytes.
    """

    family: str
    example: str
    user: str
    ticks: array[int] = field(default_factory=lambda: array("I"))
    counts: array[int] = field(default_factory=lambda: array("I"))
    rss_high: array[int] = field(default_factory=lambda: array(_WIDE))

    @property
    def total(self) -> int:
        return sum(self.counts)

    def add(self, tick: int, count: int, rss_high: int) -> None:
        if self.ticks and self.ticks[-1] == tick:
            self.counts[-1] += count
            self.rss_high[-1] = max(self.rss_high[-1], rss_high)
            return
        self.ticks.append(tick)
        self.counts.append(count)
        self.rss_high.append(rss_high)
