"""Why jobs wait that a worker could take: paused, full, at a limit, at a rate, behind their key; a sentence for each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oakum.inspector.tally import in_words
from oakum.inspector.views import QueueRow, TaskRow
from oakum.store.base import Spent
from oakum.units import format_duration, format_size


def standing_still(
    now_ms: int, queues: Sequence[QueueRow], tasks: Sequence[TaskRow], spent: Sequence[Spent]
) -> Iterator[str]:
    """What holds jobs back, tasks first. `spent` are the rates that do."""
    opens_s = {(each.kind, each.name): max(0, each.opens_ms - now_ms) / 1000 for each in spent}
    for task in tasks:
        back, name = f"{in_words(task.jobs.available)} held back", f"task {task.name}"
        if task.at_once is not None and task.jobs.available and task.jobs.running >= task.at_once:
            yield f"{name} is at its limit: {task.at_once:,} running, {back}"
        if ("task", task.name) in opens_s:
            yield f"{name} has spent its rate of {task.rate}: the next may start in {format_duration(opens_s['task', task.name])}, {back}"
    for queue in queues:
        yield from _of_queue(queue, opens_s.get(("queue", queue.name)))


def _of_queue(queue: QueueRow, opens_s: float | None) -> Iterator[str]:
    rules, tally, name = queue.rules, queue.jobs, f"queue {queue.name}"
    back = f"{in_words(tally.available)} held back"
    if queue.paused and tally.waiting:
        yield f"{name} is paused, {in_words(tally.waiting)} waiting: `oakum resume {queue.name}`"
    if queue.used is not None and queue.used >= 1:
        held = [f"{tally.waiting + tally.running:,} of {rules.max_jobs:,} jobs"] if rules.max_jobs is not None else []
        if rules.max_bytes is not None:
            held.append(f"{format_size(queue.bytes)} of {format_size(rules.max_bytes)}")
        yield f"{name} is full: {' and '.join(held)} (on_full={rules.on_full})"
    if rules.limit is not None and tally.available and tally.running >= rules.limit:
        yield f"{name} is at its limit: {rules.limit:,} running, {back}"
    if opens_s is not None:
        yield f"{name} has spent its rate of {rules.rate}: the next may start in {format_duration(opens_s)}, {back}"
    if tally.held and not tally.available:
        yield f"{name}: {in_words(tally.held)} held until an earlier one of the same key has ended"
