"""OAK108 out-of-memory-kill: the kernel killed something because memory was at its end.

What it says
    In which control group or on which host, when and how often, the limit and the most that was in use; and the
    largest process that was gone at the next look, which most likely is the one that was killed.

How it judges
    By the kernel's own counters: `memory.events` of a control group, `oom_kill` of /proc/vmstat for the host. There is
    nothing to guess but the victim, and that is said as a guess. Kills at limits that Oakum set are left out: the report
    lists the runs of `oakum run`, and a worker knows its jobs.

What to do
    Read what else is said about the victim's family. Then give it what it needs, or a limit of its own, so that it
    alone pays: systemd `MemoryMax=`, `oakum run --memory`.

Bad
    `oom_kill 3` in the group of a web service whose limit is 512 MiB.

Good
    A counter that has not moved since the record began.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from oakum.model.finding import Finding, Severity
from oakum.units import format_size
from oakum.watch.rules.case import Case
from oakum.watch.series import ProcessSeries, Series
from oakum.watch.tables import UNKNOWN

CODE: Final = "OAK108"
NAME: Final = "out-of-memory-kill"

_OF_WORKERS: Final = re.compile(r"/oakum-\d+/")
_OF_RUNS: Final = re.compile(r"/oakum-run-\d+/")


def find(case: Case) -> Iterator[Finding]:
    """One finding for each control group in which the kernel killed, and one for the host if no group explains it."""
    explained = False
    for path, series in case.history.cgroups.items():
        moments = _risen(case, series)
        if moments and not _OF_WORKERS.search(path) and not _OF_RUNS.search(path):
            explained = True
            yield _finding(case, series, moments, path)
    moments = [] if explained else _without(_risen(case, case.history.host), _at_own_limits(case))
    if moments:
        yield _finding(case, case.history.host, moments, None)


def _finding(case: Case, series: Series, moments: list[tuple[int, int]], path: str | None) -> Finding:
    place = "the host" if path is None else f"cgroup {path}"
    kills = sum(count for _, count in moments)
    tick = moments[-1][0]
    at = case.history.times[tick]
    limit, peak = series.last("limit"), max(series.high("peak") or series.high("current") or (UNKNOWN,))
    victim = _victim(case, tick, path)
    bound = f" at its limit of {format_size(limit)}" if limit is not None else ""
    guess = f"; most likely `{victim.name}` (pid {victim.key.pid}, {format_size(max(victim.rss))})" if victim else ""
    return Finding(
        code=CODE,
        name=NAME,
        severity=Severity.ERROR,
        subject=place,
        message=f"the kernel killed {kills} process{'es' if kills > 1 else ''} in {place}{bound} for memory, last at "
        f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC{guess}",
        evidence={
            "kills": kills,
            "last_s": round(at),
            "limit_bytes": limit,
            "peak_bytes": None if peak == UNKNOWN else peak,
            "victim": victim.name if victim else None,
            "victim_bytes": max(victim.rss) if victim else None,
        },
        mend="see what is said about what was killed; give it the memory that it needs, or a limit of its own "
        "(systemd `MemoryMax=`, `oakum run --memory`)",
        where={"cgroup": path} if path is not None else {},
    )


def _risen(case: Case, series: Series) -> list[tuple[int, int]]:
    """(tick, by how many) wherever the counter of kills rose within a boot."""
    column = series.column("oom_kills")
    if column is None:
        return []
    starts = {boot.first_tick for boot in case.history.boots}
    known = [(tick, count) for tick, count in zip(series.ticks, column, strict=True) if count != UNKNOWN]
    found = []
    for (_, before), (tick, count) in pairwise(known):
        if count > before and tick not in starts:
            found.append((tick, count - before))
    return found


def _at_own_limits(case: Case) -> Counter[int]:
    """Kills at limits that `oakum run` and workers set, by the tick that shows them."""
    kills: Counter[int] = Counter()
    for run in case.runs:
        if run.kernel_kills:
            kills[bisect_left(case.history.times, run.at + run.seconds)] += run.kernel_kills
    for path, series in case.history.cgroups.items():
        if _OF_WORKERS.search(path):  # the groups of runs are mostly gone before the recorder looks
            kills.update(dict(_risen(case, series)))
    return kills


def _without(moments: list[tuple[int, int]], own: Counter[int]) -> list[tuple[int, int]]:
    """The host's kills less our own, of which a run may tell one tick later than the kernel."""
    kills = dict(moments)
    for late in (0, 1):
        for tick, count in kills.items():
            known = min(count, own[tick + late])
            kills[tick] = count - known
            own[tick + late] -= known
    return [(tick, count) for tick, count in kills.items() if count]


def _victim(case: Case, tick: int, path: str | None) -> ProcessSeries | None:
    """The largest process that was seen for the last time just before `tick`, in the control group if one is given."""
    gone = [
        process
        for process in case.history.processes.values()
        if tick - 2 <= process.ticks[-1] < tick and (path is None or process.identity.cgroup == path)
    ]
    return max(gone, key=lambda process: max(process.rss), default=None)
