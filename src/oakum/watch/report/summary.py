"""Boils a history down to what a report shows: a bounded number of points, families and lines. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from oakum.model.finding import Finding
from oakum.watch.guard.runlog import Run
from oakum.watch.history import Gap, History
from oakum.watch.report.guarded import GuardedRuns, guarded_runs
from oakum.watch.series import ProcessSeries, Series
from oakum.watch.tables import UNKNOWN

POINTS: Final = 144  # columns of every chart: 20 minutes each over two days
MOST_FAMILIES: Final = 200
_MOST_LINES: Final = 100  # of notes, gaps and damages


@dataclass(frozen=True, slots=True)
class Family:
    """All processes of one family of command lines. Bytes; each trend has one entry a column, None where unseen."""

    name: str
    user: str
    living: int  # now, or when the host was last seen
    seen: int  # processes in all, short-lived ones included
    now_bytes: float
    largest_bytes: float
    gained_bytes: float  # by the floor of its last sixth over that of its first: ups and downs between don't count
    bytes_per_hour: float
    memory: tuple[float | None, ...]
    count: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report shows, in every format. Times are in seconds since 1970."""

    begin_s: float
    end_s: float
    samples: int
    ticks: int
    step_s: int
    processes: int  # told apart by boot, number and start
    passing: int  # that lived in a single sample
    findings: tuple[Finding, ...]
    families: tuple[Family, ...]  # the fastest growing first
    families_left_out: int
    columns_s: tuple[float, ...]  # the middle of each column
    total_bytes: int | None
    used_bytes: tuple[float | None, ...]  # memory in use: total less available; the sum of all processes where unknown
    boots_s: tuple[float, ...]  # when the host booted within the record
    gaps: tuple[Gap, ...]
    runs: tuple[GuardedRuns, ...]
    notes: tuple[str, ...]
    damage: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Length of the record in hours."""
        return (self.end_s - self.begin_s) / 3600


def summarise(history: History, findings: Sequence[Finding], runs: Sequence[Run]) -> Report:
    """The report of a history that has at least one tick."""
    columns = _Columns(history)
    families = sorted(columns.families(), key=lambda family: (-family.gained_bytes, -family.now_bytes, family.name))
    total = history.host.last("mem_total")
    gaps = history.gaps()
    return Report(
        begin_s=history.times[0],
        end_s=history.times[-1],
        samples=sum(map(len, history.processes.values())) + sum(churn.total for churn in history.churn.values()),
        ticks=len(history.times),
        step_s=history.steps[-1],
        processes=len(history.processes),
        passing=sum(churn.total for churn in history.churn.values()),
        findings=tuple(findings),
        families=tuple(families[:MOST_FAMILIES]),
        families_left_out=max(len(families) - MOST_FAMILIES, 0),
        columns_s=columns.middles,
        total_bytes=total,
        used_bytes=columns.used() or _summed(families),
        boots_s=tuple(gap.end_s for gap in gaps if gap.reboot),
        gaps=tuple(gaps[:_MOST_LINES]),
        runs=guarded_runs(runs),
        notes=tuple(history.notes[:_MOST_LINES]),
        damage=tuple(history.damage[:_MOST_LINES]),
    )


class _Columns:
    """A history cut into `POINTS` stretches of equal time, and sums over each of them."""

    def __init__(self, history: History) -> None:
        self._history = history
        times = history.times
        width = (times[-1] - times[0]) / POINTS or 1.0
        edges = [times[0] + number * width for number in range(POINTS)]
        self._starts = [bisect_left(times, edge) for edge in edges] + [len(times)]  # in ticks
        self._ticks = [end - begin for begin, end in pairwise(self._starts)]
        self.middles = tuple(edge + width / 2 for edge in edges)

    def used(self) -> tuple[float | None, ...]:
        """Memory in use of the whole host; empty where it was not recorded."""
        host = self._history.host
        total, available = host.column("mem_total"), host.column("mem_available")
        if total is None or available is None:
            return ()
        return self._means(*self._sums(host, array("q", map(_difference, total, available))))

    def families(self) -> list[Family]:
        """Every family that holds memory, with its sums over time."""
        grouped: dict[str, list[ProcessSeries]] = {}
        for process in self._history.processes.values():
            grouped.setdefault(process.family, []).append(process)
        families = [self._family(name, members) for name, members in grouped.items()]
        return [family for family in families if family.largest_bytes > 0]  # the kernel's own threads hold none

    def _family(self, name: str, members: list[ProcessSeries]) -> Family:
        memory, count = [0.0] * POINTS, [0.0] * POINTS
        for process in members:
            sizes, samples = self._sums(process, process.rss)
            for column in range(POINTS):
                memory[column] += sizes[column]
                count[column] += samples[column]
        newest = len(self._history.times) - 1
        trend = self._means(memory, self._ticks)
        seen = [size for size in trend if size is not None]
        churn = self._history.churn.get(name)
        sixth = max(len(seen) // 6, 1)
        gained = min(seen[-sixth:]) - min(seen[:sixth])
        hours = (self._history.times[-1] - self._history.times[0]) / 3600 * (1 - 1 / 6)
        return Family(
            name=name,
            user=members[-1].identity.user,
            living=sum(process.ticks[-1] == newest for process in members),
            seen=len(members) + (churn.total if churn is not None else 0),
            now_bytes=seen[-1],
            largest_bytes=max(seen),
            gained_bytes=gained,
            bytes_per_hour=gained / hours if hours else 0.0,
            memory=trend,
            count=self._means(count, self._ticks),
        )

    def _sums(self, series: Series, figures: Sequence[int]) -> tuple[list[float], list[int]]:
        """Per column: the sum of the known figures, and how many they are."""
        ticks = series.ticks
        bounds = [bisect_left(ticks, start) for start in self._starts]
        sums: list[float] = []
        counts: list[int] = []
        for begin, end in pairwise(bounds):
            part = figures[begin:end]
            unknown = part.count(UNKNOWN)
            sums.append(float(sum(part)) - unknown * UNKNOWN)
            counts.append(len(part) - unknown)
        return sums, counts

    @staticmethod
    def _means(sums: Sequence[float], counts: Sequence[int]) -> tuple[float | None, ...]:
        return tuple(size / count if count else None for size, count in zip(sums, counts, strict=True))


def _summed(families: Sequence[Family]) -> tuple[float | None, ...]:
    """What all families hold together."""
    columns = zip(*(family.memory for family in families), strict=True)
    return tuple(None if None in column else sum(size or 0.0 for size in column) for column in columns)


def _difference(total: int, available: int) -> int:
    return UNKNOWN if UNKNOWN in (total, available) else total - available
