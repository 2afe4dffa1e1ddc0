"""What was recorded, in memory: ticks, boots, and the series of every process. Reports and rules read this."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from oakum.watch.series import Churn, Identity, ProcessKey, ProcessSeries, Series

_GAP_STEPS: Final = 3  # more missing intervals than this are a gap, fewer are a late sample


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
