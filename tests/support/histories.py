"""Small made-up histories for the tests of rules and reports: say what lived, and how large it was."""

from __future__ import annotations

from collections.abc import Callable

from oakum.model.finding import Finding
from oakum.watch.history import History
from oakum.watch.rules import Rule
from oakum.watch.rules.case import Case
from oakum.watch.series import Identity, ProcessKey, ProcessSeries

START_S = 1_766_275_200  # 2025-12-21 00:00 UTC
MINUTE, HOUR = 60, 3600
MB = 1_000_000
GIB = 1024**3
CRON_PID = 612

Figures = Callable[[float], float]  # hours since the process started -> bytes, or whatever a column holds


class Days:
    """A host looked at every five minutes. Hours count from the start of the record; `boots` says when it booted anew."""

    def __init__(self, hours: float = 48, *, every: int = 300, boots: tuple[float, ...] = ()) -> None:
        self.history = History()
        self.every = every
        down = sorted(START_S + int(hour * HOUR) for hour in boots)
        self.history.boot("boot-0", START_S - 30 * 24 * HOUR)
        for now in range(START_S, START_S + int(hours * HOUR), every):
            if down and now >= down[0]:
                self.history.boot(f"boot-{len(self.history.boots)}", down.pop(0))
            self.history.tick(now, every)
        self._pid = 1000
        self.process("/usr/sbin/cron -f", pid=CRON_PID, comm="cron", start=-29 * 24)

    def process(
        self,
        args: str,
        rss: Figures | float = 20 * MB,
        *,
        start: float = -24.0,
        end: float = 1e9,
        pid: int | None = None,
        **more: object,
    ) -> ProcessSeries:
        """A process that lived from hour `start` to hour `end`, `rss` bytes large, with columns and identity in `more`.

        `cpu_ms` may be a function of its age in hours; `wchan` and `peers` names; `boot` the boot that it lived in.
        """
        history, boot = self.history, int(more.get("boot", 0))
        self._pid += 1
        key = ProcessKey(boot, pid or self._pid, START_S + int(start * HOUR))
        comm, cgroup = str(more.get("comm", args.partition(" ")[0])), str(more.get("cgroup", ""))
        identity = Identity(int(more.get("ppid", 1)), "app", comm, args, cgroup)
        first, last = history.boots[boot].first_tick, history.boots[boot].last_tick
        ticks = [tick for tick in range(first, last + 1) if key.start_s <= history.times[tick] <= START_S + end * HOUR]
        ages = [(history.times[tick] - key.start_s) / HOUR for tick in ticks]
        columns = {"rss": [_at(rss, age) for age in ages]}
        if "cpu_ms" in more:
            columns["cpu_ms"] = [_at(more["cpu_ms"], age) for age in ages]
        for name in {"wchan", "peers"} & more.keys():
            history.texts.append(str(more[name]))
            columns[name] = [len(history.texts) - 1] * len(ticks)
        process = history.process(key, identity)
        process.extend(ticks, columns)
        return process

    def host(self, **columns: Figures | float) -> None:
        """Figures of the host, as functions of the hours since the record began."""
        hours = [(time - START_S) / HOUR for time in self.history.times]
        self.history.host.extend(
            range(len(hours)), {name: [_at(figures, hour) for hour in hours] for name, figures in columns.items()}
        )


def _at(figures: object, hours: float) -> int:
    return int(figures(hours)) if callable(figures) else int(figures)  # type: ignore[call-overload]


def found(rule: Rule, days: Days) -> list[Finding]:
    """What a rule finds in these days."""
    return list(rule.find(Case(days.history)))


def leak(rate: float) -> Figures:
    """60 MB, and `rate` MB more each hour."""
    return lambda age: 60 * MB + rate * MB * age


def hang(
    days: Days, count: int, *, every: float = 4.0, command: str = "python manage.py crontab run 3fa9c1d", **more: object
) -> list[ProcessSeries]:
    """`count` runs of a cron job that never end, one begun each `every` hours."""
    return [
        days.process(command, 50 * MB, start=1 + number * every, ppid=CRON_PID, comm="python", **more)
        for number in range(count)
    ]
