"""Every process at every tick: its figures each time, who it is when it is new or became another command."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from oakum.host.procfs import CLOCK_TICK_MS, ProcFs, Stat, parse_stat
from oakum.units import GIB
from oakum.watch.families import printable, steady
from oakum.watch.probe import Reading
from oakum.watch.probes.peers import peers
from oakum.watch.tables import PROCESSES, UNKNOWN, Entity

PSS_EVERY_S: Final = 600.0
_PSS_GROWERS: Final = 5
_PSS_AT_MOST: Final = 4 * GIB  # resident bytes looked at in one go: 20 ms of reading page tables
_TURNS: Final = 8  # what costs further reads is asked of an idle process in one of so many ticks
_STILL_S: Final = 600.0  # without processor time: whom it waits for is asked from then on
_PEERS_EVERY_S: Final = 3600.0
_MOST_PEERS: Final = 10  # processes that are asked at one tick: each reads the table of all connections


@dataclass(slots=True)
class _Seen:
    """What is remembered of a living process."""

    line: bytes  # what `stat` was read from
    stat: Stat
    entity: Entity
    first_rss: int
    cpu_ms: int = UNKNOWN  # when it was last looked at closer
    wchan: str = ""
    fds: int | None = None
    peers: str = ""
    peers_due_s: float = 0.0
    settled: bool = False  # whether it was looked at a second time: between fork and exec it is still its parent


class ProcessProbe:
    """Reads a /proc. Keeps one small record for each living process."""

    def __init__(self, procfs: ProcFs, pss_every_s: float = PSS_EVERY_S) -> None:
        self._procfs = procfs
        self._pss_every_s = pss_every_s
        self._pss_due_s = 0.0
        self._seen: dict[int, _Seen] = {}
        self._turn = 0
        self._hidden_fds = False

    def read(self, now_s: float) -> Iterator[Reading]:
        """One row for each process that is alive."""
        self._turn += 1
        met = map(self._meet, self._procfs.pids())
        self._seen = {each.stat.pid: each for each in met if each is not None}
        seen = list(self._seen.values())
        self._ask_whom(seen, now_s)
        for each in seen:
            self._look_closer(each)
        fds = [UNKNOWN if each.fds is None else each.fds for each in seen]
        self._hidden_fds = os.geteuid() != 0 and UNKNOWN in fds  # for root it has only ended meanwhile
        pss = self._pss(seen, now_s)
        stats = [each.stat for each in seen]
        yield Reading(
            PROCESSES,
            [each.entity for each in seen],
            (
                [stat.rss for stat in stats],
                [pss.get(stat.pid, UNKNOWN) for stat in stats],
                [stat.cpu_ms for stat in stats],
                [stat.threads for stat in stats],
                fds,
                [ord(stat.state) for stat in stats],
                [each.wchan for each in seen],
                [each.peers for each in seen],
            ),
        )

    def notes(self) -> Iterator[str]:
        """What this user may not see."""
        if 1 not in self._seen:
            yield "only this user's processes are visible (/proc is mounted with hidepid): record as root to see all"
        if self._hidden_fds:
            yield "the open files of other users' processes are not visible: record as root to see them"
        if os.geteuid() != 0:  # the kernel shows an empty wchan then (fs/proc/base.c, proc_pid_wchan)
            yield "where other users' processes wait is not visible: record as root to see it"

    def _meet(self, pid: int) -> _Seen | None:
        """What is known of it, brought up to date; None when it has ended."""
        line, seen = self._procfs.stat_line(pid), self._seen.get(pid)
        if seen is not None and seen.line == line and seen.settled:
            return seen  # most of a host's processes stand still: what they said is not read again
        stat = parse_stat(pid, line)
        if stat is None:
            return None
        if seen is None or seen.stat.start_ticks != stat.start_ticks:
            return _Seen(line, stat, self._identify(stat), stat.rss)
        if seen.stat.comm != stat.comm or not seen.settled:
            seen.settled = True
            entity = self._identify(stat)
            if entity.labels != seen.entity.labels:
                seen.entity = Entity(seen.entity.numbers, entity.labels)
        seen.line, seen.stat = line, stat
        return seen

    def _identify(self, stat: Stat) -> Entity:
        procfs, pid = self._procfs, stat.pid
        comm = printable(steady(stat.comm))
        uid = procfs.uid(pid)
        args = printable(procfs.args(pid)) or f"[{comm}]"
        start_cs = stat.start_ticks * CLOCK_TICK_MS // 10
        labels = "" if uid is None else _user(uid), comm, args, printable(procfs.cgroup(pid))
        return Entity((pid, start_cs, stat.ppid), labels)

    def _look_closer(self, seen: _Seen) -> None:
        """Where it waits and how many files it has open: asked anew when it has run since, and now and then."""
        stat = seen.stat
        if stat.cpu_ms != seen.cpu_ms or (stat.pid + self._turn) % _TURNS == 0:
            seen.cpu_ms = stat.cpu_ms
            seen.wchan, seen.fds = self._procfs.wchan(stat.pid), self._procfs.fds(stat.pid)

    def _ask_whom(self, processes: list[_Seen], now_s: float) -> None:
        """Finds the peers of those that stand still: one that hangs is told with whom it waits for."""
        asked = 0
        for seen in processes:
            if seen.stat.cpu_ms != seen.cpu_ms:
                seen.peers, seen.peers_due_s = "", now_s + _STILL_S
            elif now_s >= seen.peers_due_s and asked < _MOST_PEERS:
                seen.peers, seen.peers_due_s = peers(self._procfs.root, seen.stat.pid), now_s + _PEERS_EVERY_S
                asked += 1

    def _pss(self, processes: list[_Seen], now_s: float) -> dict[int, int]:
        """PSS of those that grew most since they were first seen: dear, so seldom and few."""
        if now_s < self._pss_due_s:
            return {}
        self._pss_due_s = now_s + self._pss_every_s
        growers = [seen for seen in processes if seen.stat.rss > seen.first_rss]
        growers.sort(key=lambda seen: seen.first_rss - seen.stat.rss)
        found: dict[int, int] = {}
        looked_at = 0
        for seen in growers[:_PSS_GROWERS]:
            looked_at += seen.stat.rss
            if looked_at > _PSS_AT_MOST:
                break
            pss = self._procfs.pss(seen.stat.pid)
            if pss is not None:
                found[seen.stat.pid] = pss
        return found


@lru_cache(maxsize=1000)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
