"""OAK108 out-of-memory-kill: the kernel killed something because memory was at its end.

What it says
    In which control group or on which host, when and how often, the limit and the most that was in use; and the
    largest process that was gone at the next look, which most likely is the one that was killed.

How it judges
    By the kernel's own counters: `memory.events` of a control group, `oom_kill` of /proc/vmstat for the host. There is
    nothing to guess but the victim, and that is said as a guess.

What to do
    Read what else is said about the victim's family. Then give it what it needs, or a limit of its own, so that it
    alone pays: systemd `MemoryMax=`, `oakum run --memory`.

Bad
    `oom_kill 3` in the group of a web service whose limit is 512 MiB.

Good
    A counter that has not moved since the record began.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from oakum.model.finding import Finding, Severity
from oakum.units import format_size
from oakum.watch.history import UNKNOWN, ProcessSeries, Series
from oakum.watch.rules.case import Case

CODE: Final = "OAK108"
NAME: Final = "out-of-memory-kill"


def find(case: Case) -> Iterator[Finding]:
    """One finding for each control group in which the kernel killed, and one for the host if no group explains it."""
    explained = False
    for path, series in case.history.cgroups.items():
        for finding in _kills(case, series, f"cgroup {path}", path):
            explained = True
            yield finding
    if not explained:
        yield from _kills(case, case.history.host, "the host", None)


def _kills(case: Case, series: Series, place: str, path: str | None) -> Iterator[Finding]:
    moments = _risen(case, series)
    if not moments:
        return
    kills = sum(count for _, count in moments)
    tick = moments[-1][0]
    at = case.history.times[tick]
    limit, peak = series.last("limit"), max(series.high("peak") or series.high("current") or (UNKNOWN,))
    victim = _victim(case, tick, path)
    bound = f" at its limit of {format_size(limit)}" if limit is not None else ""
    guess = f"; most likely `{victim.name}` (pid {victim.key.pid}, {format_size(max(victim.rss))})" if victim else ""
    yield Finding(
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


def _victim(case: Case, tick: int, path: str | None) -> ProcessSeries | None:
    """The largest process that was seen for the last time just before `tick`, in the control group if one is given."""
    gone = [
        process
        for process in case.history.processes.values()
        if tick - 2 <= process.ticks[-1] < tick and (path is None or process.identity.cgroup == path)
    ]
    return max(gone, key=lambda process: max(process.rss), default=None)
