"""OAK101 process-grows: one process keeps growing, from one end of the record to the other.

What it says
    A process holds more and more memory, steadily, for more than a day: by how much an hour, and when the host (or
    the limit of its control group) is full if it goes on. Several workers of one command are one finding.

How it judges
    Each process by itself, from its start to its end, so that a restart does not look like relief. On the lower
    envelope (the tenth percentile of each stretch of time), so that what is freed again does not count. Growth must go
    on in the last third as it did before, which a cache that fills does not do, and must not come in one step. Where
    the day's rhythm is larger than the growth, each hour is compared with the same hour of the day before. Below
    0.4 MB an hour it says nothing. On a host that goes down before a day is over, both boots must show the growth.
    Workers that are replaced in turn before they hurt are left alone.

What to do
    Find what the process keeps: `oakum doctor --pid PID`. Until it is mended, let it be replaced in time: gunicorn
    `--max-requests`, Celery `--max-memory-per-child`, systemd `MemoryMax=` with `Restart=always`.

Bad
    A consumer of 60 MiB that has 250 MiB two days later, each hour 4 MB more.

Good
    A cache that fills for three hours after its start and stays level; a collector's saw-tooth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oakum.model.finding import Finding
from oakum.units import format_size
from oakum.watch.history import ProcessSeries
from oakum.watch.rules.case import Case, Group
from oakum.watch.rules.room import forecast, in_words, room_of, severity
from oakum.watch.trend import LEAST_SPAN_S, Growth, steady_growth

CODE: Final = "OAK101"
NAME: Final = "process-grows"

_LEAST_TWICE_S: Final = 8 * 3600.0
_OFTEN_REPLACED: Final = 2  # generations that ended by themselves make a habit


def find(case: Case) -> Iterator[Finding]:
    """One finding for each family of commands of which a process grew until its boot was last looked at."""
    for group in case.groups:
        growing = growing_members(case, group) or _grew_before_too(case, group)
        if growing and not _replaced_in_turn(case, group, growing):
            yield _finding(case, group, growing)


def growing_members(case: Case, group: Group, least_span_s: float = LEAST_SPAN_S) -> list[tuple[ProcessSeries, Growth]]:
    """The members that grow, the fastest first."""
    found = []
    for process in case.lasting(group):
        figures = process.low("rss") or ()
        growth = steady_growth(case.history.times_of(process), figures, process.key.start_s, least_span_s)
        if growth is not None:
            found.append((process, growth))
    return sorted(found, key=lambda pair: -pair[1].rate)


def _grew_before_too(case: Case, group: Group) -> list[tuple[ProcessSeries, Growth]]:
    """The members that grow for less than a day, where the boot before, which together make more, saw the same."""
    before = case.earlier(group)
    now = growing_members(case, group, _LEAST_TWICE_S) if before is not None else []
    if before is None or not now:
        return []
    then = growing_members(case, before, _LEAST_TWICE_S)
    if not then or (now[0][1].hours + then[0][1].hours) * 3600 < LEAST_SPAN_S:
        return []
    return now if 0.5 <= now[0][1].rate / then[0][1].rate <= 2 else []


def _replaced_in_turn(case: Case, group: Group, growing: list[tuple[ProcessSeries, Growth]]) -> bool:
    """Whether earlier members ended by themselves at the age that the growing ones have: they will, too."""
    ages = [case.age(process) for process in group.members if case.history.ended(process)]
    youngest = min(case.age(process) for process, _ in growing)
    return sum(age >= youngest / 2 for age in ages) >= _OFTEN_REPLACED


def _finding(case: Case, group: Group, growing: list[tuple[ProcessSeries, Growth]]) -> Finding:
    process, growth = growing[0]
    rate = sum(each.rate for _, each in growing)
    down = case.went_down(case.boot(group))
    room = room_of(case, process) if down is None else None
    ahead = forecast(room, rate)
    others = f" and {len(growing) - 1} more of its kind" if len(growing) > 1 else ""
    tempo = f"{format_size(growth.rate)} an hour ({format_size(growth.rate_low)} to {format_size(growth.rate_high)})"
    sizes = f"from {format_size(growth.first.low)} to {format_size(growth.last.low)} in {growth.hours:.0f} h"
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity(room, rate),
        subject=group.family,
        message=f"`{process.name}` (pid {process.key.pid}){others} grows by {tempo}, {sizes}{in_words(room, rate, down)}",
        evidence={
            "bytes_per_hour": round(rate),
            "bytes_per_hour_low": round(growth.rate_low),
            "bytes_per_hour_high": round(growth.rate_high),
            "first_bytes": growth.first.low,
            "last_bytes": growth.last.low,
            "hours": round(growth.hours, 1),
            "processes": len(growing),
            "host_went_down_s": down,
        },
        mend=f"see what it keeps: `oakum doctor --pid {process.key.pid}`; until then have it replaced in time "
        "(gunicorn `--max-requests`, Celery `--max-memory-per-child`, systemd `MemoryMax=` with `Restart=always`)",
        forecast=ahead,
        where={"pid": process.key.pid, "user": process.identity.user},
    )
