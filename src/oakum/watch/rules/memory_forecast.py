"""OAK104 memory-forecast: the host's memory is on its way to its end.

What it says
    By how much an hour the memory in use grows since the host booted, when none is left, and which families of
    processes make the growth, with their shares.

How it judges
    Memory in use is the total less what the kernel calls available (`MemAvailable`), so caches of files don't count;
    in a log without these figures it is the sum of all resident sizes. Growth is judged as in OAK101: steady for more
    than a day, on the lower envelope, going on at the end.

What to do
    Look at the families that it names: for each of them OAK101, OAK102 or OAK103 says more.

Bad
    A server of 4 GiB that uses 60 MB more each hour, of which hung cron jobs make two thirds.

Good
    A server whose memory in use follows the day, or settles after a restart.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from oakum.model.finding import Fact, Finding, Severity
from oakum.units import format_size
from oakum.watch.history import Boot
from oakum.watch.rhythm import Life, growth_beneath_rhythm
from oakum.watch.rules.case import Case
from oakum.watch.rules.room import forecast, in_words, room_of, severity
from oakum.watch.tables import UNKNOWN
from oakum.watch.trend import Growth, steady_growth

CODE: Final = "OAK104"
NAME: Final = "memory-forecast"

_NAMED: Final = 3  # families
_SMALLEST_SHARE: Final = 0.05
_FAR_AWAY_H: Final = 90 * 24.0


def find(case: Case) -> Iterator[Finding]:
    """At most one finding for each boot."""
    for boot in reversed(case.history.boots):
        ticks, used = _memory_in_use(case, boot)
        times = [case.history.times[tick] for tick in ticks]
        life = Life(times, used, boot.started_s or 0.0)
        growth = (steady_growth(*life) or growth_beneath_rhythm([life])) if ticks else None
        if growth is not None:
            yield _finding(case, boot, growth)


def _memory_in_use(case: Case, boot: Boot) -> tuple[Sequence[int], Sequence[int]]:
    """Ticks of a boot, and bytes in use at each."""
    host = case.history.host
    total, available = host.column("mem_total"), host.column("mem_available")
    if total is not None and available is not None:
        inside = [i for i, tick in enumerate(host.ticks) if boot.first_tick <= tick <= boot.last_tick]
        used = [UNKNOWN if UNKNOWN in (total[i], available[i]) else total[i] - available[i] for i in inside]
        return [host.ticks[i] for i in inside], used
    sums = array("q", bytes(8 * (boot.last_tick - boot.first_tick + 1)))
    for group in case.groups:
        if case.boot(group) is boot:
            for process in group.members:
                for tick, rss in zip(process.ticks, process.rss, strict=True):
                    sums[tick - boot.first_tick] += rss
    return range(boot.first_tick, boot.last_tick + 1), sums


def _gains(case: Case, boot: Boot, growth: Growth) -> Counter[str]:
    """Bytes that each family gained between the first and the last stretch of the growth."""
    first, last = case.history.tick_at(growth.first.at_s), case.history.tick_at(growth.last.at_s)
    gains: Counter[str] = Counter()
    for group in case.groups:
        if case.boot(group) is boot:
            for process in group.members:
                gains[group.family] += _resident_at(process.ticks, process.rss, last)
                gains[group.family] -= _resident_at(process.ticks, process.rss, first)
    return gains


def _resident_at(ticks: Sequence[int], rss: Sequence[int], tick: int) -> int:
    if not ticks[0] <= tick <= ticks[-1]:
        return 0
    return rss[bisect_right(ticks, tick) - 1]


def _finding(case: Case, boot: Boot, growth: Growth) -> Finding:
    down = case.went_down(boot)
    room = room_of(case) if down is None else None
    gains = [(family, gain) for family, gain in _gains(case, boot, growth).most_common(_NAMED) if gain > 0]
    shares = {family: gain / growth.gained for family, gain in gains if gain >= _SMALLEST_SHARE * growth.gained}
    makers = ", ".join(f"`{family}` {share:.0%}" for family, share in shares.items())
    evidence: dict[str, Fact] = {
        "bytes_per_hour": round(growth.rate),
        "bytes_per_hour_low": round(growth.rate_low),
        "bytes_per_hour_high": round(growth.rate_high),
        "gained_bytes": growth.gained,
        "hours": round(growth.hours, 1),
        "families": list(shares),
        "shares": [round(share, 3) for share in shares.values()],
        "host_went_down_s": down,
    }
    far_away = room is not None and room.hours(growth.rate) > _FAR_AWAY_H
    return Finding(
        code=CODE,
        name=NAME,
        severity=Severity.INFO if far_away else severity(room, growth.rate),
        subject="host memory",
        message=f"memory in use grows by {format_size(growth.rate)} an hour for "
        f"{growth.hours:.0f} h{in_words(room, growth.rate, down)}{f'; made by {makers}' if makers else ''}",
        evidence=evidence,
        mend="see what is said of the families that make it; a memory limit for each of them keeps the host alive",
        forecast=forecast(room, growth.rate),
    )
