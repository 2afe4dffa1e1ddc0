"""What was recorded, in memory: ticks, boots, and compact columns for every process. Reports and rules read this."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from oakum.watch.families import fold

UNKNOWN: Final = -1  # in a column: not known then. Never 0, which is a figure. `Series.at` gives None for it.

_TYPECODES: Final = {"state": "b", "wchan": "i", "peers": "i", "threads": "i", "fds": "i"}
_WIDE: Final = "q"
_GAP_STEPS: Final = 3  # more missing intervals than this are a gap, fewer are a late sample


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


@dataclass(slots=True)
class Boot:
    """One run of the host. Ticks `first_tick` to `last_tick` belong to it; `started_s` is None where not known."""

    id: str
    started_s: float | None
    first_tick: int
    last_tick: int


class Gap(NamedTuple):
    """A time without samples between two ticks: the recorder did not run, or the host was down (`reboot`)."""

    start_s: float
    end_s: float
    reboot: bool


class CronJob(NamedTuple):
    """One line of a crontab. `user` is the user that it runs as."""

    path: str
    line: int
    schedule: str
    user: str
    command: str


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


class History:
    """A stretch of one host's life. Built in order of time; what reads it changes nothing.

    Attributes:
        times: seconds since 1970 of each tick, ascending. steps: seconds that each tick stands for (60, 300, 3600).
        boots, processes (by key), churn (by family).
        host: columns mem_total, mem_available, swap_total, swap_used [bytes], load1_centi, psi_memory_some_us,
            psi_memory_full_us [stalled microseconds since boot], forks, oom_kills [since boot], processes.
        cgroups: by path; columns limit, current, peak [bytes], oom_kills. tables: what probes recorded, by table and name.
        cron_jobs: the lines of the crontabs as they were read last.
        texts: what the columns that hold names (`wchan`, `peers`) point to. notes: what the recorder could not see. damage: what could not be read.
    """

    def __init__(self) -> None:
        self.times: array[float] = array("d")
        self.steps: array[int] = array("I")
        self.boots: list[Boot] = []
        self.processes: dict[ProcessKey, ProcessSeries] = {}
        self.churn: dict[str, Churn] = {}
        self.host = Series("host")
        self.cgroups: dict[str, Series] = {}
        self.tables: dict[str, dict[str, Series]] = {}
        self.cron_jobs: list[CronJob] = []
        self.texts: list[str] = []
        self.notes: list[str] = []
        self.damage: list[str] = []

    # Building

    def boot(self, id: str, started_s: float | None) -> int:
        """The index of this boot; a new one, beginning at the next tick, unless it is the latest."""
        if not self.boots or self.boots[-1].id != id:
            self.boots.append(Boot(id, started_s, len(self.times), len(self.times) - 1))
        return len(self.boots) - 1

    def tick(self, time_s: float, step_s: int) -> int:
        """The next tick, of the latest boot; returns its index. Times must ascend."""
        if self.times and time_s <= self.times[-1]:
            raise ValueError(f"tick at {time_s} is not after the one at {self.times[-1]}")
        self.times.append(time_s)
        self.steps.append(step_s)
        self.boots[-1].last_tick = len(self.times) - 1
        return len(self.times) - 1

    def process(self, key: ProcessKey, identity: Identity) -> ProcessSeries:
        """The series of this process, which is made at its first sight."""
        series = self.processes.get(key)
        if series is None:
            series = self.processes[key] = ProcessSeries(key, identity)
        elif series.identity != identity:
            series.rename(identity)
        return series

    def fold_churn(self, before_tick: int) -> None:
        """Turns each process whose only sample lies before `before_tick` into a count of its family."""
        passing = [s for s in self.processes.values() if len(s) == 1 and s.ticks[0] < before_tick]
        for series in passing:
            del self.processes[series.key]
            self.count_churn(series.family, series.name, series.identity.user, series.ticks[0], 1, series.rss[0])

    def count_churn(self, family: str, example: str, user: str, tick: int, count: int, rss_high: int) -> None:
        """Counts `count` processes of `family` that lived in the single sample `tick`."""
        if family not in self.churn:
            self.churn[family] = Churn(family, example, user)
        self.churn[family].add(tick, count, rss_high)

    # Reading

    def times_of(self, series: Series) -> array[float]:
        """Seconds since 1970 of each sample of a series."""
        times = self.times
        return array("d", [times[tick] for tick in series.ticks])

    def tick_at(self, time_s: float) -> int:
        """The latest tick not after `time_s`; -1 where all are later."""
        return bisect_right(self.times, time_s) - 1

    def ended(self, process: ProcessSeries) -> bool:
        """Whether the process went away while the host was up and watched: neither a reboot nor the record's end."""
        return process.ticks[-1] < self.boots[process.key.boot].last_tick

    def alive(self) -> Iterator[ProcessSeries]:
        """The processes of the latest tick."""
        newest = len(self.times) - 1
        return (process for process in self.processes.values() if process.ticks[-1] == newest)

    def gaps(self) -> list[Gap]:
        """Where samples are missing, in order of time; reboots are among them however short they were."""
        starts = {boot.first_tick for boot in self.boots}
        found = []
        for tick in range(1, len(self.times)):
            before, now = self.times[tick - 1], self.times[tick]
            if tick in starts or now - before > _GAP_STEPS * max(self.steps[tick - 1], self.steps[tick]):
                found.append(Gap(before, now, tick in starts))
        return found
