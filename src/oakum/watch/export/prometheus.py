"""Prometheus text: the newest sample for a scrape, or a window of time in OpenMetrics for a backfill.

Formats: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Final, Literal, NamedTuple

from oakum.watch.history import History
from oakum.watch.series import ProcessSeries, Series
from oakum.watch.tables import UNKNOWN


class Metric(NamedTuple):
    """A column, and how it is called outside. `unit` is what one of the column's figures is worth."""

    column: str
    name: str
    kind: Literal["gauge", "counter"]
    unit: float
    help: str


_PROCESS: Final = (
    Metric("rss", "oakum_process_resident_bytes", "gauge", 1, "Resident memory of a process."),
    Metric("pss", "oakum_process_proportional_bytes", "gauge", 1, "Memory of a process, shared pages divided."),
    Metric("cpu_ms", "oakum_process_cpu_seconds", "counter", 0.001, "User and system time of a process."),
    Metric("threads", "oakum_process_threads", "gauge", 1, "Threads of a process."),
    Metric("fds", "oakum_process_open_fds", "gauge", 1, "Open file descriptors of a process."),
)
_HOST: Final = (
    Metric("mem_total", "oakum_host_memory_bytes", "gauge", 1, "Memory of the host."),
    Metric("mem_available", "oakum_host_memory_available_bytes", "gauge", 1, "Memory that new work could have."),
    Metric("swap_total", "oakum_host_swap_bytes", "gauge", 1, "Swap space."),
    Metric("swap_used", "oakum_host_swap_used_bytes", "gauge", 1, "Swap space in use."),
    Metric("load1_centi", "oakum_host_load1", "gauge", 0.01, "Load average of a minute."),
    Metric(
        "psi_memory_some_us", "oakum_host_memory_stalled_some_seconds", "counter", 1e-6, "Some task waited for memory."
    ),
    Metric(
        "psi_memory_full_us", "oakum_host_memory_stalled_full_seconds", "counter", 1e-6, "All tasks waited for memory."
    ),
    Metric(
        "psi_io_full_us", "oakum_host_io_stalled_full_seconds", "counter", 1e-6, "All tasks waited for input or output."
    ),
    Metric("forks", "oakum_host_forks", "counter", 1, "Processes and threads started."),
    Metric("oom_kills", "oakum_host_oom_kills", "counter", 1, "Processes killed by the kernel for memory."),
    Metric("processes", "oakum_host_processes", "gauge", 1, "Processes alive."),
)
_CGROUP: Final = (
    Metric("limit", "oakum_cgroup_memory_limit_bytes", "gauge", 1, "Memory limit of a control group."),
    Metric("current", "oakum_cgroup_memory_bytes", "gauge", 1, "Memory in use by a control group."),
    Metric("peak", "oakum_cgroup_memory_peak_bytes", "gauge", 1, "The most that a control group used."),
    Metric("oom_kills", "oakum_cgroup_oom_kills", "counter", 1, "Processes killed in a control group for memory."),
)


def write_prometheus(history: History, out: IO[str], *, newest_only: bool) -> int:
    """Writes all metrics; returns the number of samples.

    `newest_only`: the living processes without a time, as a scrape or node_exporter's textfile collector wants it.
    Otherwise every sample with its time, in OpenMetrics, as `promtool tsdb create-blocks-from openmetrics` wants it.
    """
    processes = history.alive() if newest_only else iter(history.processes.values())
    things = [(_labels(process), process) for process in processes]
    count = 0
    for metrics, labelled in (
        (_PROCESS, things),
        (_HOST, [("", history.host)]),
        (_CGROUP, [(f'{{path="{_escape(path)}"}}', series) for path, series in history.cgroups.items()]),
    ):
        for metric in metrics:
            for line in _metric(metric, labelled, history, newest_only):
                out.write(line)
                count += not line.startswith("#")
    if not newest_only:
        out.write("# EOF\n")
    return count


def _metric(metric: Metric, things: Iterable[tuple[str, Series]], history: History, newest_only: bool) -> Iterator[str]:
    total = f"{metric.name}_total" if metric.kind == "counter" else metric.name
    header = total if newest_only else metric.name  # OpenMetrics names the family, the older format the sample
    begun = False
    for labels, series in things:
        column = series.column(metric.column)
        if column is None:
            continue
        for index in range(len(series) - 1 if newest_only else 0, len(series)):
            if column[index] == UNKNOWN:
                continue
            if not begun:
                begun = True
                yield f"# HELP {header} {metric.help}\n# TYPE {header} {metric.kind}\n"
            moment = "" if newest_only else f" {history.times[series.ticks[index]]:.3f}"
            yield f"{total}{labels} {column[index] * metric.unit:.15g}{moment}\n"


def _labels(process: ProcessSeries) -> str:
    """A process by its number and start: the number alone is used again."""
    identity, key = process.identity, process.key
    pairs = {
        "pid": str(key.pid),
        "start": str(key.start_s),
        "user": identity.user,
        "command": identity.comm,
        "family": process.family,
    }
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in pairs.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
