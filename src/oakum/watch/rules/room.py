"""How much room is left for what grows, and when it is gone at a given rate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from oakum.model.finding import Fact, Severity
from oakum.units import format_duration
from oakum.watch.rules.case import Case
from oakum.watch.series import ProcessSeries

_A_DAY_H: Final = 24.0


class Room(NamedTuple):
    """Bytes that are left of `size` in `place` ("host memory", or a control group's path) at `at_s`, seconds since 1970."""

    place: str
    left: int
    size: int
    at_s: float

    def hours(self, rate: float) -> float:
        """Hours until it is full at `rate` bytes an hour."""
        return self.left / rate


def room_of(case: Case, process: ProcessSeries | None = None) -> Room | None:
    """The room that is left for a process: its control group's, or the host's where that is less. None if unknown."""
    history = case.history
    rooms = []
    total, available = history.host.last("mem_total"), history.host.last("mem_available")
    if total is not None and available is not None:
        rooms.append(Room("host memory", available, total, history.times[-1]))
    group = history.cgroups.get(process.identity.cgroup) if process is not None else None
    if group is not None:
        limit, current = group.last("limit"), group.last("current")
        if limit is not None and current is not None:
            rooms.append(Room(f"cgroup {group.name}", max(limit - current, 0), limit, history.times[-1]))
    return min(rooms, key=lambda room: room.left, default=None)


def forecast(room: Room | None, rate: float) -> Mapping[str, Fact] | None:
    """What a finding's `forecast` says: which place is full, in how many hours, and when."""
    if room is None:
        return None
    hours = room.hours(rate)
    return {
        "full": room.place,
        "hours": round(hours, 1),
        "at_s": round(room.at_s + hours * 3600),
        "left_bytes": room.left,
    }


def in_words(room: Room | None, rate: float, went_down_s: float | None) -> str:
    """The end of a finding's sentence: what comes of it, or what came."""
    if went_down_s is not None:
        return f"; the host went down at {datetime.fromtimestamp(went_down_s, UTC):%Y-%m-%d %H:%M} UTC"
    if room is None:
        return ""
    return f"; at this rate alone {room.place} is full in {format_duration(room.hours(rate) * 3600)}"


def severity(room: Room | None, rate: float) -> Severity:
    """How much growth at `rate` matters: an error where the room is gone within a day, else a warning."""
    return Severity.ERROR if room is not None and room.hours(rate) < _A_DAY_H else Severity.WARNING
