"""OAK102 processes-accumulate: processes of one command are started again and again, and don't end.

What it says
    The number of live processes of one family of command lines only rises: how many there are, how many came in how
    long, what they hold together, and what they wait in where that was recorded.

How it judges
    At least four processes that were started within the record, at three or more different times, and were still there
    when the host was last looked at. The smallest number alive in each sixth of the time never falls, the last one came
    in the second half, and few have ended that lived as long. Shells, editors and other programs that somebody sits in
    front of don't count.

What to do
    Kill the ones that hang, and give the command a time limit and a lock, for instance in its cron line:
    `oakum run --timeout 60s --lock NAME -- COMMAND`. Then mend what waits without a time limit (an HTTP request).

Bad
    A cron job that runs each five minutes and hangs now and then in a request: nine of it are alive after two days.

Good
    A pool of workers that grew from two to eight in the morning and has stayed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from oakum.model.finding import Finding
from oakum.units import format_duration, format_size
from oakum.watch.guard.cron import lock_name
from oakum.watch.rules.case import Case, Group, is_session, pids
from oakum.watch.rules.room import forecast, in_words, room_of, severity
from oakum.watch.rules.stillness import connected_to, waiting_in, where_it_waits
from oakum.watch.series import ProcessSeries

CODE: Final = "OAK102"
NAME: Final = "processes-accumulate"

_FEWEST: Final = 4
_FEWEST_MOMENTS: Final = 3
_LEAST_SPAN_S: Final = 2 * 3600.0
_PARTS: Final = 6


def find(case: Case) -> Iterator[Finding]:
    """One finding for each family that accumulates."""
    for group in case.groups:
        members = accumulating(case, group)
        if members:
            yield _finding(case, group, members)


def accumulating(case: Case, group: Group) -> list[ProcessSeries]:
    """The members that came and stayed, the oldest first; empty where the family does not accumulate."""
    begin, end = case.window(case.boot(group))
    stayed = [process for process in case.lasting(group) if process.key.start_s >= begin and not is_session(process)]
    if end - begin < _LEAST_SPAN_S or len(stayed) < _FEWEST:
        return []
    moments = {process.ticks[0] for process in stayed}
    spread = stayed[-1].key.start_s - stayed[0].key.start_s
    came_late = stayed[-1].key.start_s >= (begin + end) / 2
    if len(moments) < _FEWEST_MOMENTS or spread < (end - begin) / 4 or not came_late:
        return []
    if _others_end(case, group, stayed):
        return []
    floors = _floors(case, group)
    never_falls = all(later >= earlier for earlier, later in pairwise(floors))
    return stayed if never_falls and floors[-1] >= floors[0] + _FEWEST - 1 else []


def _others_end(case: Case, group: Group, stayed: list[ProcessSeries]) -> bool:
    """Whether the family is renewed rather than piled up: members ended that had lived as long as these have."""
    middle_age = case.age(stayed[len(stayed) // 2])
    ended = sum(case.history.ended(process) and case.age(process) >= middle_age for process in group.members)
    return ended > len(stayed) / 4


def _floors(case: Case, group: Group) -> list[int]:
    """The smallest number of members alive in each part of the boot's time."""
    boot = case.boot(group)
    changes: Counter[int] = Counter()
    for process in group.members:
        changes[process.ticks[0]] += 1
        changes[process.ticks[-1] + 1] -= 1
    ticks = boot.last_tick - boot.first_tick + 1
    floors = [len(group.members)] * _PARTS
    alive = 0
    for offset in range(ticks):
        alive += changes[boot.first_tick + offset]
        part = offset * _PARTS // ticks
        floors[part] = min(floors[part], alive)
    return floors


def _finding(case: Case, group: Group, members: list[ProcessSeries]) -> Finding:
    _, end = case.window(case.boot(group))
    down = case.went_down(case.boot(group))
    held = sum(process.last("rss") or 0 for process in members)
    hours = (end - members[0].key.start_s) / 3600
    rate = held / hours
    room = room_of(case, members[0]) if down is None else None
    commands = Counter(process.name for process in members)
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity(room, rate),
        subject=group.family,
        message=f"{len(members)} processes of `{group.family}` were started in {hours:.0f} h and have not ended; "
        f"the oldest is {format_duration(case.age(members[0]))} old{where_it_waits(case.history, members)}; "
        f"together they hold {format_size(held)}{in_words(room, rate, down)}",
        evidence={
            "processes": len(members),
            "hours": round(hours, 1),
            "per_day": round(len(members) * 24 / hours, 1),
            "held_bytes": held,
            "bytes_per_hour": round(rate),
            "oldest_seconds": round(case.age(members[0])),
            "commands": [command for command, _ in commands.most_common(5)],
            "commands_counts": [count for _, count in commands.most_common(5)],
            "pids": pids(members),
            "waiting_in": waiting_in(case.history, members),
            "connected_to": connected_to(case.history, members),
            "by_cron": case.started_by_cron(members[-1]),
            "host_went_down_s": down,
        },
        mend="end the ones that hang, and guard the command: "
        f"`oakum run --timeout 60s --lock {lock_name(members[0].name)} -- {members[0].name[:200]}`",
        forecast=forecast(room, rate),
        where={"pid": members[0].key.pid, "user": members[0].identity.user},
    )
