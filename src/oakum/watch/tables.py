"""What an archive holds: tables of things (a process, a cgroup, a queue) and their figures, each with its meaning."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

UNKNOWN: Final = -1  # in a column: not known then. Never 0, which is a figure. `Series.at` gives None for it.

# gauge: goes up and down; thinned to smallest, mean, largest and last. counter: only rises; code: a letter; text: a name,
# kept as an index of strings: thinned to the last. sum, peak: thinned to the sum, to the largest. low, mean, high: made
# by thinning, beside the gauge of which their name begins with.
Kind = Literal["gauge", "counter", "code", "text", "sum", "peak", "low", "mean", "high"]


class Column(msgspec.Struct, frozen=True, array_like=True):
    """One figure. It is stored in whole `unit`s (pages, clock ticks) and given in what its name says."""

    name: str
    kind: Kind
    unit: int = 1


class Table(msgspec.Struct, frozen=True, array_like=True):
    """Things that are told apart by `numbers` and `labels`, and the columns recorded of each at every tick.

    A table travels inside the archive, so what a probe of tomorrow records can be read without it.
    """

    name: str
    numbers: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[Column, ...]


class Entity(NamedTuple):
    """One thing of a table: its numbers and labels, in the table's order."""

    numbers: tuple[int, ...]
    labels: tuple[str, ...]


PROCESSES: Final = Table(
    "processes",
    ("pid", "start_cs", "ppid"),  # start_cs: hundredths of a second since its boot began
    ("user", "comm", "args", "cgroup"),
    (
        Column("rss", "gauge", 4096),
        Column("pss", "gauge", 4096),
        Column("cpu_ms", "counter", 10),
        Column("threads", "gauge"),
        Column("fds", "gauge"),
        Column("state", "code"),
        Column("wchan", "text"),
        Column("peers", "text"),  # far ends of its TCP connections, of those that have stood still for a while
    ),
)
CHURN: Final = Table(
    "churn", (), ("family", "example", "user"), (Column("count", "sum"), Column("rss_high", "peak", 4096))
)
HOST: Final = Table(
    "host",
    (),
    ("name",),
    (
        Column("mem_total", "gauge", 1024),
        Column("mem_available", "gauge", 1024),
        Column("swap_total", "gauge", 1024),
        Column("swap_used", "gauge", 1024),
        Column("load1_centi", "gauge"),
        Column("psi_memory_some_us", "counter"),
        Column("psi_memory_full_us", "counter"),
        Column("psi_io_full_us", "counter"),
        Column("forks", "counter"),
        Column("oom_kills", "counter"),
        Column("processes", "gauge"),
    ),
)
CGROUPS: Final = Table(
    "cgroups",
    (),
    ("path",),
    (
        Column("limit", "gauge", 4096),
        Column("current", "gauge", 4096),
        Column("peak", "gauge", 4096),
        Column("oom_kills", "counter"),
    ),
)
CRONTABS: Final = Table("crontabs", (), ("path", "schedule", "user", "command"), (Column("line", "gauge"),))
