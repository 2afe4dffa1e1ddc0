"""Tasks with their limits and rates: seen, changed while they are used, given back to the code."""

from __future__ import annotations

from msgspec import Struct

from oakum.inspector.tally import tally_by
from oakum.inspector.views import Tally
from oakum.model.bounds import Ruled, Rules
from oakum.model.report import decode_report
from oakum.run.names import check_name
from oakum.run.rules import RuleOptions, read_rules, write_rate
from oakum.store.base import Store


class TaskRules(Struct, frozen=True):
    """How many jobs of a task run at once over all workers, and how many start in a period ("100/1m"); None: any number."""

    limit: int | None = None
    rate: str | None = None


class RuledTask(Struct, frozen=True):
    """One task. `rules` are in force; `declared` is what the code says, where somebody has said otherwise, else None.

    `known`: whether there are jobs of it, measurements, or a worker that runs it.
    """

    name: str
    jobs: Tally
    rules: TaskRules = TaskRules()
    declared: TaskRules | None = None
    known: bool = True


class Tasks:
    """All tasks of one store. All verbs raise StoreError when the store fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> tuple[RuledTask, ...]:
        """By name: those with jobs, those that were measured, those that a worker runs, those with rules."""
        store = self._store
        tallies, rules = tally_by("task", store.counts()), store.rules("task")
        reports = [report for holder in store.holders() if (report := decode_report(holder.report)) is not None]
        known = tallies.keys() | store.stats().keys() | {task for report in reports for task in report.limits}
        return tuple(
            _row(name, tallies.get(name, Tally()), rules.get(name, Ruled()), name in known)
            for name in sorted(known | rules.keys())
        )

    def show(self, name: str) -> RuledTask:
        """One task. Raises UsageError for what is no name."""
        check_name(name, "task")
        return next((row for row in self.all() if row.name == name), RuledTask(name, Tally(), known=False))

    def set(self, name: str, changes: RuleOptions) -> RuledTask:
        """Puts changed rules in force, whatever the code declares, until `reset`; what is not named stays.

        Raises UsageError for what makes no sense.
        """
        ruled = self._store.rules("task").get(check_name(name, "task"), Ruled())
        self._store.override("task", name, read_rules(changes, f"task {name}", ruled.rules))
        return self.show(name)

    def reset(self, name: str) -> RuledTask:
        """Puts what the code declares in force again."""
        self._store.override("task", check_name(name, "task"), None)
        return self.show(name)


def _row(name: str, jobs: Tally, ruled: Ruled, known: bool) -> RuledTask:
    declared = None if ruled.override is None else task_rules(ruled.declared)
    return RuledTask(name, jobs, task_rules(ruled.rules), declared, known)


def task_rules(rules: Rules) -> TaskRules:
    """A task's rules as people see them."""
    return TaskRules(rules.limit, None if rules.rate is None else write_rate(rules.rate))
