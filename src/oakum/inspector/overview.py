"""From what a store counts, keeps and hears to one overview of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from oakum.inspector.standing import standing_still
from oakum.inspector.tally import in_words, tally_by
from oakum.inspector.views import Overview, QueueRow, Tally, TaskRow, WorkerRow
from oakum.model.bounds import Ruled, Rules
from oakum.model.report import decode_report
from oakum.model.stats import TaskStats
from oakum.run.rules import write_rate
from oakum.store.base import Count, Holder, Spent

SILENT_MS: Final = 10_000  # a worker reports every two seconds


def worker_row(holder: Holder, gone: bool | None, now_ms: int) -> WorkerRow:
    """A worker. `gone` says whether its process has ended, None where that can't be seen from here."""
    report = decode_report(holder.report) if holder.report else None
    if gone or holder.fenced:
        state = "gone"
    elif report is None:
        state = "starting"
    elif now_ms - report.at_ms > SILENT_MS:
        state = "silent"
    else:
        state = report.state
    return WorkerRow(holder.number, holder.identity.host, holder.identity.pid, state, report)


def overview(
    now_ms: int,
    durability: str,
    workers: Sequence[WorkerRow],
    counts: Sequence[Count],
    stats: Mapping[str, TaskStats],
    queues: Sequence[QueueRow],
    rules: Mapping[str, Ruled],
    spent: Sequence[Spent] = (),
) -> Overview:
    """The whole of it. `rules` are the tasks', `spent` the rates that hold jobs back. Tasks by name."""
    limits, by_task = _limits(workers), tally_by("task", counts)
    task_rows = tuple(
        _task_row(
            name,
            by_task.get(name, Tally()),
            stats.get(name, TaskStats()),
            limits.get(name),
            rules.get(name, Ruled()).rules,
        )
        for name in sorted(by_task.keys() | stats.keys() | limits.keys())
    )
    notes = (*_notes(now_ms, workers, queues, task_rows, limits), *standing_still(now_ms, queues, task_rows, spent))
    return Overview(now_ms, durability, tuple(workers), tuple(queues), task_rows, notes)


def _limits(workers: Iterable[WorkerRow]) -> dict[str, int]:
    """The least limit in force of each task that a living worker knows."""
    limits: dict[str, int] = {}
    for worker in workers:
        if worker.alive and worker.report is not None:
            for task, limit in worker.report.limits.items():
                limits[task] = min(limit, limits.get(task, limit))
    return limits


def _task_row(name: str, jobs: Tally, stats: TaskStats, limit: int | None, rules: Rules) -> TaskRow:
    time, peak = stats.duration, stats.peak
    return TaskRow(
        name=name,
        jobs=jobs,
        runs=stats.runs,
        failures=stats.failures,
        time_p50_us=round(time.quantile(0.5)) if time.count else None,
        time_p95_us=round(time.quantile(0.95)) if time.count else None,
        peak_p50=round(peak.quantile(0.5)) if peak.count else None,
        peak_p95=round(peak.quantile(0.95)) if peak.count else None,
        peak_max=peak.largest if peak.count else None,
        retained_per_run=round(stats.retained_per_run) if stats.retained_runs else None,
        limit=limit,
        at_once=rules.limit,
        rate=None if rules.rate is None else write_rate(rules.rate),
    )


def _notes(
    now_ms: int,
    workers: Sequence[WorkerRow],
    queues: Sequence[QueueRow],
    tasks: Sequence[TaskRow],
    known: Mapping[str, int],
) -> Iterator[str]:
    alive = [worker for worker in workers if worker.alive]
    for worker in workers:
        if worker.state == "gone":
            yield f"worker {worker.pid} on {worker.host} is gone; the next worker to look takes its jobs back"
        elif worker.state == "silent" and worker.report is not None:
            silence = (now_ms - worker.report.at_ms) // 1000
            yield f"worker {worker.pid} on {worker.host} has said nothing for {silence:,} s"
        for note in worker.report.notes if worker.report is not None and worker.alive else ():
            yield f"worker {worker.pid}: {note}"
    if not alive:
        waiting = sum(queue.jobs.waiting for queue in queues)
        what = f", {in_words(waiting)} waiting" if waiting else ""
        yield f"no worker runs{what}: start one with `oakum worker MODULE:APP`"
    for task in tasks:
        if known and task.jobs.waiting and task.name not in known:
            yield f"no running worker knows task {task.name}, {in_words(task.jobs.waiting)} waiting"
    served = {queue for worker in alive for queue in (worker.report.queues if worker.report is not None else ())}
    for queue in queues:
        if queue.jobs.available and served and queue.name not in served:
            yield (
                f"no running worker takes from queue {queue.name}, {in_words(queue.jobs.available)} waiting:"
                f" start one with `--queues {queue.name}`"
            )
        if queue.jobs.quarantined:
            yield f"{in_words(queue.jobs.quarantined)} quarantined in queue {queue.name}: `oakum jobs --state quarantined`"
