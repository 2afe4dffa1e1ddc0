"""OAK101 process-grows: one process keeps growing, from one end of the record to the other.

What it says
    A process holds more and more memory, steadily: by how much an hour, and when the host (or the limit of its control
    group) is full if it goes on. Several workers of one command are one finding. How sure it is that it goes on is said:
    high after more than a day, medium where two boots show the same, each of them shorter, low before that.

How it judges
    Each process by itself, from its start to its end, so that a restart does not look like relief. On the lower
    envelope (the tenth percentile of each stretch of time), so that what is freed again does not count. Growth must go
    on in the last third as it did before, which a cache that fills does not do, and must not come in one step. Where
    the day's rhythm is larger than the growth, all lives of the command, those before a reboot among them, are laid over
    each other hour by hour. Below 0.4 MB an hour it says nothing. On a host that goes down before a day is over, both
    boots must show the growth. Workers that are replaced in turn before they hurt are left alone.
    Before a day is over, from six hours on, it names only what rises straight and so fast that it would fill an empty
    host (or control group) within a week: a remark, and a warning where what is left is gone within a day, or the host
    went down. A log of `ps` does not tell the host's size: there it is taken to be what all processes hold.

What to do
    Find what the process keeps (`memray attach PID` tells of Python). Until it is mended, let it be replaced in time: gunicorn
    `--max-requests`, Celery `--max-memory-per-child`, systemd `MemoryMax=` with `Restart=always`.

Bad
    A consumer of 60 MiB that has 250 MiB two days later, each hour 4 MB more.

Good
    A cache that fills for three hours after its start and stays level; a collector's saw-tooth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oakum.model.finding import Finding, Severity
from oakum.units import format_size
from oakum.watch.rules.case import Case, Group
from oakum.watch.rules.growing import Confidence, Growing, growing
from oakum.watch.rules.room import Room, forecast, in_words, room_of, severity

CODE: Final = "OAK101"
NAME: Final = "process-grows"

_HEDGES: Final = {
    Confidence.HIGH: "",
    Confidence.MEDIUM: "; {lives} boots show it, none of them for more than a day: confidence medium",
    Confidence.LOW: "; what a day gives and takes back looks the same so far: confidence low",
}


def find(case: Case) -> Iterator[Finding]:
    """One finding for each family of commands of which a process grew until its boot was last looked at, the newest boot's."""
    named: set[str] = set()
    for group in case.groups:
        found = growing(case, group) if group.family not in named else None
        if found is not None:
            named.add(group.family)
            yield _finding(case, group, found)


def _finding(case: Case, group: Group, found: Growing) -> Finding:
    process, growth = found.members[0]
    rate = sum(each.rate for _, each in found.members)
    down = case.went_down(case.boot(group))
    room = room_of(case, process) if down is None else None
    others = f" and {len(found.members) - 1} more of its kind" if len(found.members) > 1 else ""
    tempo = f"{format_size(growth.rate)} an hour ({format_size(growth.rate_low)} to {format_size(growth.rate_high)})"
    sizes = f"from {format_size(growth.first.low)} to {format_size(growth.last.low)} in {growth.hours:.0f} h"
    return Finding(
        code=CODE,
        name=NAME,
        severity=_severity(found.confidence, room, rate, down),
        subject=group.family,
        message=f"`{process.name}` (pid {process.key.pid}){others} grows by {tempo}, {sizes}"
        f"{in_words(room, rate, down)}{_HEDGES[found.confidence].format(lives=found.lives)}",
        evidence={
            "bytes_per_hour": round(rate),
            "bytes_per_hour_low": round(growth.rate_low),
            "bytes_per_hour_high": round(growth.rate_high),
            "first_bytes": growth.first.low,
            "last_bytes": growth.last.low,
            "hours": round(growth.hours, 1),
            "processes": len(found.members),
            "lives": found.lives,
            "confidence": found.confidence,
            "host_went_down_s": down,
        },
        mend=f"see what it keeps (`memray attach {process.key.pid}` tells of Python); until then have it replaced in time "
        "(gunicorn `--max-requests`, Celery `--max-memory-per-child`, systemd `MemoryMax=` with `Restart=always`)",
        forecast=forecast(room, rate),
        where={"pid": process.key.pid, "user": process.identity.user},
    )


def _severity(confidence: Confidence, room: Room | None, rate: float, down: float | None) -> Severity:
    """What is not certain yet is a remark, and a warning where there is no time for certainty, or was none."""
    if confidence is not Confidence.LOW:
        return severity(room, rate)
    hurry = down is not None or severity(room, rate) is Severity.ERROR
    return Severity.WARNING if hurry else Severity.INFO
