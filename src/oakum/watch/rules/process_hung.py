"""OAK103 process-hung: a process is far older than its kind gets, and does nothing.

What it says
    Which process, how old it is against what is usual for its command, for how long it has done nothing, and, where
    that was recorded, the kernel function that it waits in and the far end of its connection.

How it judges
    Only commands that are meant to end: those that cron started (not with the host itself), and those of which at least
    five others were seen to end. It is hung if it is more than an hour old and twenty times as old as the others got,
    and took no processor time for most of its life, half an hour of it at least being on record. A log without processor times has only ages and sizes: there six
    hours of an unchanged size are asked for, or another run of the same command beside it.

What to do
    End it. Give the command a time limit (`oakum run --timeout`), and the call that it waits in one of its own:
    `requests.get(url, timeout=10)`.

Bad
    A cron job that ends within a minute each time, but for one that has waited for 192.0.2.7:443 since Tuesday.

Good
    A nightly backup that works for three hours; a service that is idle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oakum.model.finding import Finding, Severity
from oakum.units import format_duration, format_size
from oakum.watch.guard.cron import lock_name
from oakum.watch.rules.case import Case, Group, is_session, pids
from oakum.watch.rules.processes_accumulate import accumulating
from oakum.watch.rules.room import in_words
from oakum.watch.rules.stillness import connected_to, still_for, waiting_in, where_it_waits
from oakum.watch.series import ProcessSeries

CODE: Final = "OAK103"
NAME: Final = "process-hung"

_LEAST_AGE_S: Final = 3600.0
_LEAST_AGE_UNSEEN_S: Final = 6 * 3600.0  # where processor time was not recorded
_OLDER_THAN_USUAL: Final = 20
_ENDED_ENOUGH: Final = 5
_MOST_OF_ITS_LIFE: Final = 0.8
_LEAST_STILL_S: Final = 1800.0  # seen: a record of minutes shows most programs doing nothing


def find(case: Case) -> Iterator[Finding]:
    """One finding for each family with hung members, unless OAK102 speaks of them already."""
    for group in case.groups:
        members = _hung(case, group)
        if members and not accumulating(case, group):
            yield _finding(case, group, members)


def _hung(case: Case, group: Group) -> list[ProcessSeries]:
    lasting = case.lasting(group)
    usual = _usual_age(case, group)
    suspects = [
        process
        for process in lasting
        if case.age(process) >= max(_LEAST_AGE_S, _OLDER_THAN_USUAL * (usual or 0.0))
        and (usual is not None or case.started_by_cron(process))
        and not is_session(process)
    ]
    return [process for process in suspects if _does_nothing(case, process, len(suspects))]


def _usual_age(case: Case, group: Group) -> float | None:
    """The age in seconds that nine of ten members reached that ended; None where too few were seen to end."""
    step = case.history.steps[case.boot(group).last_tick]
    ages = [case.age(process) for process in group.members if case.history.ended(process)]
    churn = case.history.churn.get(group.family)
    if churn is not None:
        ages += [float(step)] * min(churn.total, 1000)
    return sorted(ages)[int(0.9 * len(ages))] if len(ages) >= _ENDED_ENOUGH else None


def _does_nothing(case: Case, process: ProcessSeries, suspects: int) -> bool:
    age = case.age(process)
    still = still_for(case.history, process)
    if still < max(_LEAST_STILL_S, _MOST_OF_ITS_LIFE * min(age, case.watched(process))):
        return False
    return process.last("cpu_ms") is not None or age >= _LEAST_AGE_UNSEEN_S or suspects > 1


def _finding(case: Case, group: Group, members: list[ProcessSeries]) -> Finding:
    oldest = members[0]
    usual = _usual_age(case, group)
    held = sum(process.last("rss") or 0 for process in members)
    down = case.went_down(case.boot(group))
    count = f"{len(members)} processes of `{group.family}` hang" if len(members) > 1 else f"`{oldest.name}` hangs"
    against = f", where {format_duration(usual)} is usual" if usual is not None else ", and cron started it to end"
    return Finding(
        code=CODE,
        name=NAME,
        severity=Severity.WARNING,
        subject=group.family,
        message=f"{count}: pid {oldest.key.pid} is {format_duration(case.age(oldest))} old{against}; it has done nothing "
        f"for {format_duration(still_for(case.history, oldest))}{where_it_waits(case.history, members)}, "
        f"and holds {format_size(held)}{in_words(None, 0.0, down)}",
        evidence={
            "processes": len(members),
            "oldest_seconds": round(case.age(oldest)),
            "usual_seconds": None if usual is None else round(usual),
            "still_seconds": round(still_for(case.history, oldest)),
            "held_bytes": held,
            "commands": sorted({process.name for process in members})[:5],
            "pids": pids(members),
            "waiting_in": waiting_in(case.history, members),
            "connected_to": connected_to(case.history, members),
            "host_went_down_s": down,
        },
        mend=f"end it (`kill {oldest.key.pid}`), and guard the command: "
        f"`oakum run --timeout 60s --lock {lock_name(oldest.name)} -- {oldest.name[:200]}`",
        where={"pid": oldest.key.pid, "user": oldest.identity.user},
    )
