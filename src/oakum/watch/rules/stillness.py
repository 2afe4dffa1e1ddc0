"""Whether a process stands still: no processor time, no change of memory, blocked in the kernel. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from oakum.watch.history import History
from oakum.watch.series import ProcessSeries
from oakum.watch.tables import UNKNOWN

_BUSY_SHARE: Final = 0.001  # of one processor: a loop that polls takes more, a blocked process none
_MOVED_BYTES: Final = 1_000_000


def still_for(history: History, process: ProcessSeries) -> float:
    """Seconds before the last sample in which the process did nothing that the record shows.

    Goes back to the newest sample before which processor time passed; where that is not recorded, memory changed.
    """
    cpu, rss = process.column("cpu_ms"), process.rss
    times, ticks = history.times, process.ticks
    newest = times[ticks[-1]]
    since = newest
    last_rss = rss[-1]
    for index in range(len(ticks) - 1, -1, -1):
        at = times[ticks[index]]
        if cpu is not None and cpu[index] != UNKNOWN and cpu[-1] != UNKNOWN:
            if cpu[-1] - cpu[index] > _BUSY_SHARE * 1000 * (newest - at):
                break
        elif abs(rss[index] - last_rss) > _MOVED_BYTES:
            break
        since = at
    return newest - since


def waiting_in(history: History, processes: Sequence[ProcessSeries]) -> str | None:
    """The kernel function that most of `processes` were last seen waiting in; None where that was not recorded."""
    return _most_common(history, processes, "wchan")


def connected_to(history: History, processes: Sequence[ProcessSeries]) -> str | None:
    """The far ends of the connections that most of `processes` have; None where there are none, or that was not recorded."""
    return _most_common(history, processes, "peers")


def where_it_waits(history: History, processes: Sequence[ProcessSeries]) -> str:
    """For a finding's sentence: `", waiting in wait_woken, connected to 192.0.2.7:443"`, as far as that is known."""
    place, peer = waiting_in(history, processes), connected_to(history, processes)
    return (f", waiting in {place}" if place else "") + (f", connected to {peer}" if peer else "")


def _most_common(history: History, processes: Sequence[ProcessSeries], column: str) -> str | None:
    texts = Counter(history.texts[index] for process in processes if (index := process.last(column)) is not None)
    [(text, _)] = texts.most_common(1) or [("", 0)]
    return text or None
