"""What people are shown of a store: frozen values, fit for a terminal, a page and JSON; ids as text, states as words.

Times are wall milliseconds, durations microseconds, sizes bytes; None is unknown, and never 0.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from oakum.model.bounds import OnFull
from oakum.model.report import WorkerReport


class Tally(Struct, frozen=True):
    """How many jobs are in each state."""

    available: int = 0
    running: int = 0
    scheduled: int = 0
    held: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    quarantined: int = 0

    @property
    def waiting(self) -> int:
        """Those that have not been started: available now, scheduled for later, or held until their key is free."""
        return self.available + self.scheduled + self.held

    @property
    def ended(self) -> int:
        """Those that have ended and are still kept."""
        return self.completed + self.failed + self.cancelled + self.expired + self.quarantined


class RulesRow(Struct, frozen=True):
    """A queue's bounds and limits, rates as people write them ("100/1m"); None: no bound of that kind."""

    max_jobs: int | None = None
    max_bytes: int | None = None
    on_full: OnFull = "block"
    limit: int | None = None
    rate: str | None = None
    key_limit: int = 1
    key_rate: str | None = None


class QueueRow(Struct, frozen=True):
    """One queue. `bytes` are those of the arguments of its jobs that have not ended.

    `rules` are in force; `declared` is what the code says, where somebody has said otherwise, else None.
    """

    name: str
    paused: bool
    jobs: Tally
    bytes: int = 0
    rules: RulesRow = RulesRow()
    declared: RulesRow | None = None

    @property
    def used(self) -> float | None:
        """Which part of its bound it holds, of the one that is nearer; None where it has none."""
        parts = []
        if self.rules.max_jobs is not None:
            parts.append((self.jobs.waiting + self.jobs.running) / self.rules.max_jobs)
        if self.rules.max_bytes is not None:
            parts.append(self.bytes / self.rules.max_bytes)
        return max(parts, default=None)


class TaskRow(Struct, frozen=True):
    """One task: its jobs now, and what was measured of all its starts.

    `limit`: what a job of it may take now, the least of all workers that run. `at_once` of its jobs may run over all workers,
    and `rate` of them start in a period ("100/1m"); None: no such limit.
    """

    name: str
    jobs: Tally
    runs: int
    failures: int
    time_p50_us: int | None = None
    time_p95_us: int | None = None
    peak_p50: int | None = None
    peak_p95: int | None = None
    peak_max: int | None = None
    retained_per_run: int | None = None
    limit: int | None = None
    at_once: int | None = None
    rate: str | None = None


class WorkerRow(Struct, frozen=True):
    """One worker. `state` is what it says of itself (`WorkerReport.state`), or starting, silent or gone."""

    number: int
    host: str
    pid: int
    state: str
    report: WorkerReport | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be counted on."""
        return self.state not in ("silent", "gone")


class Ticking(Struct, frozen=True):
    """How many schedules there are, how many of them are paused or over, and when the next one ticks."""

    count: int = 0
    resting: int = 0
    next_ms: int | None = None


class Overview(Struct, frozen=True):
    """The whole store at one moment. `notes` are warnings, each one line."""

    at_ms: int
    durability: str
    workers: tuple[WorkerRow, ...]
    queues: tuple[QueueRow, ...]
    tasks: tuple[TaskRow, ...]
    notes: tuple[str, ...]
    schedules: Ticking = Ticking()


class ProgressRow(Struct, frozen=True):
    """How far a running job says it is: `done` of `total` (0: unknown)."""

    done: float
    total: float
    note: str
    at_ms: int


class JobRow(Struct, frozen=True):
    """One row of a listing. `starts` counts them; `outcome`, `duration_us`, `peak` and `error` are the last ended start's."""

    id: str
    task: str
    queue: str
    state: str
    priority: int
    created_ms: int
    run_at_ms: int
    ended_ms: int | None
    expires_ms: int | None
    starts: int
    tries: int
    crashes: int
    over: int
    tags: tuple[str, ...]
    parent: str | None
    progress: ProgressRow | None = None
    outcome: str = ""
    error: str = ""
    duration_us: int | None = None
    peak: int | None = None


class JobPage(Struct, frozen=True):
    """Part of a listing, newest first. `before` is the id to page on with, None at the end."""

    jobs: tuple[JobRow, ...]
    before: str | None = None


class StartRow(Struct, frozen=True):
    """One start of a job that has ended.

    `peak` is over the child's `resting` size; not `exact` where it is the largest sample of a process tree. `caught_by`
    says who ended what went over a limit: child, meter, kernel or worker; `limit` is the memory it had.
    """

    number: int
    outcome: str
    started_ms: int | None
    ended_ms: int | None
    duration_us: int | None = None
    peak: int | None = None
    exact: bool = True
    resting: int | None = None
    retained: int | None = None
    limit: int | None = None
    caught_by: str = ""
    type: str = ""
    message: str = ""
    traceback: str = ""


class RunningRow(Struct, frozen=True):
    """Where a job runs now, by its worker's last report."""

    host: str
    worker_pid: int
    child_pid: int
    running_us: int
    measured: int
    reserved: int


class Call(Struct, frozen=True):
    """What a job was given and, where it completed, what it returned: both as plain data."""

    args: list[Any]
    kwargs: dict[str, Any]
    result: Any = None


class JobStory(Struct, frozen=True):
    """Everything kept of one job. `call` is None unless it was asked for; `payload_bytes` is its size."""

    job: JobRow
    starts: tuple[StartRow, ...]
    running: RunningRow | None
    cancel_asked: bool
    log: str
    payload_bytes: int
    call: Call | None = None
