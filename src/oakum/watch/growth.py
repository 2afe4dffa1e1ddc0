"""What grows, now: each process and each family of command lines against what it was a while ago. For a live view."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar, cast

from oakum.watch.families import fold
from oakum.watch.history import History
from oakum.watch.probe import Reading
from oakum.watch.tables import UNKNOWN

_N = TypeVar("_N", int, float)

_MOST_POINTS: Final = 120
_SLACK_S: Final = 2.0  # starts are reckoned from two clocks


class Look(NamedTuple):
    """One process at one moment. `start_s` in seconds since 1970; None: a figure that is not known."""

    pid: int
    start_s: float
    user: str
    args: str
    rss: int
    cpu_ms: int | None = None
    threads: int | None = None
    fds: int | None = None


class Line(NamedTuple):
    """A process, or a family with its `members`: bytes, bytes that it gained in `over_s`, share of one processor."""

    name: str
    pid: int | None
    user: str
    members: int
    age_s: float
    rss: int
    gained: int
    over_s: float
    cpu: float | None
    threads: int | None
    fds: int | None
    trend: tuple[int, ...]

    @property
    def per_hour(self) -> float:
        """Bytes an hour at this rate."""
        return self.gained * 3600 / self.over_s if self.over_s else 0.0


class _Trend:
    """Figures over a window of time, thinned to a bounded number of points."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.points: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, value: int) -> None:
        points = self.points
        if len(points) > 1 and now_s - points[-2][0] < self._window_s / _MOST_POINTS:
            points.pop()  # the newest point moves on until it is far enough from the one before
        points.append((now_s, value))
        while points[0][0] < now_s - self._window_s:
            points.popleft()

    @property
    def gained(self) -> int:
        return self.points[-1][1] - self.points[0][1]

    @property
    def over_s(self) -> float:
        return self.points[-1][0] - self.points[0][0]

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(value for _, value in self.points)


@dataclass(slots=True)
class _Track:
    """A living process."""

    look: Look
    trend: _Trend
    cpu: float | None = None


class Growth:
    """Remembers the last `window_s` seconds of each process and family. Feed it looks in order of time."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._now_s = 0.0
        self._tracks: dict[int, _Track] = {}
        self._families: dict[str, _Trend] = {}

    def add(self, now_s: float, looks: Iterable[Look]) -> None:
        """All processes that are alive at `now_s`; those that are missing have ended."""
        self._tracks = {look.pid: self._follow(look, now_s) for look in looks}
        self._now_s = now_s
        totals = dict.fromkeys(self._families, 0)
        for track in self._tracks.values():
            family = fold(track.look.args)
            totals[family] = totals.get(family, 0) + track.look.rss
        self._families = {name: self._families.get(name) or _Trend(self._window_s) for name in totals}
        for name, rss in totals.items():
            self._families[name].add(now_s, rss)

    def processes(self) -> list[Line]:
        """The processes, those that gained most first."""
        lines = [self._line([track], track.trend, track.look.args) for track in self._tracks.values()]
        return sorted(lines, key=_by_growth)

    def families(self) -> list[Line]:
        """The families that are alive, those that gained most first. What ended within the window counts as lost."""
        members: dict[str, list[_Track]] = {}
        for track in self._tracks.values():
            members.setdefault(fold(track.look.args), []).append(track)
        return sorted(
            (self._line(tracks, self._families[name], name) for name, tracks in members.items()), key=_by_growth
        )

    def _follow(self, look: Look, now_s: float) -> _Track:
        track = self._tracks.get(look.pid)
        if track is None or abs(track.look.start_s - look.start_s) > _SLACK_S:
            track = _Track(look, _Trend(self._window_s))
        elif look.cpu_ms is not None and track.look.cpu_ms is not None and now_s > self._now_s:
            track.cpu = (look.cpu_ms - track.look.cpu_ms) / 1000 / (now_s - self._now_s)
        track.look = look
        track.trend.add(now_s, look.rss)
        return track

    def _line(self, tracks: list[_Track], trend: _Trend, name: str) -> Line:
        first = tracks[0].look
        return Line(
            name=name,
            pid=first.pid if len(tracks) == 1 else None,
            user=first.user,
            members=len(tracks),
            age_s=self._now_s - min(track.look.start_s for track in tracks),
            rss=sum(track.look.rss for track in tracks),
            gained=trend.gained,
            over_s=trend.over_s,
            cpu=_sum(track.cpu for track in tracks),
            threads=_sum(track.look.threads for track in tracks),
            fds=_sum(track.look.fds for track in tracks),
            trend=trend.values,
        )


def _by_growth(line: Line) -> tuple[int, int, str]:
    return -line.gained, -line.rss, line.name


def _sum(values: Iterable[_N | None]) -> _N | None:
    """The sum of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def looks_of_reading(reading: Reading, booted_s: float) -> Iterator[Look]:
    """The processes that the recorder's own probe saw; `booted_s`: when the host started, in seconds since 1970."""
    figures = dict(zip((column.name for column in reading.table.columns), reading.columns, strict=True))
    columns = (figures[name] for name in ("rss", "cpu_ms", "threads", "fds"))
    for entity, rss, *rest in zip(reading.entities, *columns, strict=True):
        pid, start_cs, _ = entity.numbers
        user, _, args, _ = entity.labels
        cpu_ms, threads, fds = (None if figure == UNKNOWN else cast(int, figure) for figure in rest)
        yield Look(pid, booted_s + start_cs / 100, user, args, cast(int, rss), cpu_ms, threads, fds)


def looks_of_history(history: History, boot_id: str) -> Iterator[tuple[float, list[Look]]]:
    """What was recorded in one boot, sample by sample."""
    ticks: dict[int, list[Look]] = {}
    for process in history.processes.values():
        if history.boots[process.key.boot].id == boot_id:
            for tick, rss in zip(process.ticks, process.rss, strict=True):
                look = Look(process.key.pid, process.key.start_s, process.identity.user, process.name, rss)
                ticks.setdefault(tick, []).append(look)
    return ((history.times[tick], looks) for tick, looks in sorted(ticks.items()))
