"""How fast things go: from two overviews of the same store. Pure."""

from __future__ import annotations

from msgspec import Struct

from oakum.inspector.views import Overview


class Rates(Struct, frozen=True):
    """Per second, by name: starts of each task that ended; by how much each queue's waiting jobs grow (or shrink: < 0)."""

    runs: dict[str, float]
    growth: dict[str, float]


def rates(before: Overview, after: Overview) -> Rates | None:
    """What changed between the two; None when no time has passed."""
    seconds = (after.at_ms - before.at_ms) / 1000
    if seconds <= 0:
        return None
    runs = {task.name: task.runs for task in before.tasks}
    waiting = {queue.name: queue.jobs.waiting for queue in before.queues}
    return Rates(
        runs={task.name: (task.runs - runs.get(task.name, 0)) / seconds for task in after.tasks},
        growth={queue.name: (queue.jobs.waiting - waiting.get(queue.name, 0)) / seconds for queue in after.queues},
    )
