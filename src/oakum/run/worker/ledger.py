"""What a worker knows of its tasks: their specs, what was measured of them, and the plan that follows for each job."""

from __future__ import annotations

from collections.abc import Mapping

from oakum.model.admission import Plan, Room, base_limit, limit_of, may_grow, weight, window
from oakum.model.job import Claimed
from oakum.model.outcome import Completed, Outcome, Usage
from oakum.model.stats import TaskStats
from oakum.model.task import Manifest, TaskSpec
from oakum.store.base import Store


class Ledger:
    """Plans are made once a task and kept until there is something new to know."""

    def __init__(self, slots: int, overcommit: bool) -> None:
        self._slots, self._overcommit = slots, overcommit
        self._specs: dict[str, TaskSpec] = {}
        self._known: dict[str, TaskStats] = {}
        self._fresh: dict[str, TaskStats] = {}
        self._plans: dict[str, Plan] = {}
        self._share = 0
        self._budget = 0

    def learn(self, manifest: Manifest) -> None:
        """Takes over the tasks of an application, under all their names."""
        self._specs = {name: spec for spec in manifest.tasks for name in (spec.name, *spec.aliases)}
        self._plans.clear()

    def spec(self, task: str) -> TaskSpec:
        """A task's spec; plain defaults for a task that another worker's job is of."""
        return self._specs.get(task) or TaskSpec(task)

    def refit(self, room: Room) -> None:
        """The room for limits has changed: shares follow, once the change is worth it.

        A twentieth is kept back, so that children that rest on a little more than a moment ago still get their share.
        """
        budget = room.budget
        if abs(budget - self._budget) > self._budget // 40:
            self._budget, self._share = budget, max(1, budget * 19 // 20 // self._slots)
            self._plans.clear()

    @property
    def budget(self) -> int:
        """What all limits may add up to, in bytes."""
        return self._budget

    def plan(self, job: Claimed) -> Plan:
        """How a job may start."""
        plan = self._plans.get(job.task)
        if plan is None:
            plan = self._plans[job.task] = self._plan(job.task)
        if job.over or job.suspect or job.overrides is not None:
            return self._special(job, plan)
        return plan

    def _plan(self, task: str) -> Plan:
        spec, stats = self.spec(task), self._stats(task)
        limit = base_limit(spec, stats, self._share)
        reserve = limit
        if self._overcommit and stats is not None and stats.peak.count:
            reserve = min(limit, int(stats.peak.quantile(0.95) * 1.2))
        return Plan(
            limit=limit,
            reserve=reserve,
            headroom=spec.headroom,
            window=window(spec, stats),
            timeout_s=spec.timeout_s,
            kill_after_s=spec.kill_after_s,
            shared=task if spec.is_async else "",
        )

    def _special(self, job: Claimed, plan: Plan) -> Plan:
        spec = self.spec(job.task)
        limit, alone = limit_of(job, spec, plan.limit, self._share)
        timeout_s = plan.timeout_s
        if job.overrides is not None and job.overrides.timeout_s is not None:
            timeout_s = job.overrides.timeout_s
        return Plan(
            limit, limit, plan.headroom, 1, timeout_s, plan.kill_after_s, alone or job.suspect, plan.shared
        )  # fmt: skip

    def may_grow(self, job: Claimed) -> bool:
        """Whether a job that went over its limit may have more next time."""
        spec = self.spec(job.task)
        return may_grow(job, spec, base_limit(spec, self._stats(job.task), self._share), self._share)

    def weights(self) -> dict[str, int]:
        """What one job of each known task counts for in a claim; tasks that can never fit are left out."""
        weights: dict[str, int] = {}
        for task in self._specs:
            plan = self._plans.get(task) or self._plan(task)
            self._plans[task] = plan
            if plan.reserve <= self._budget:
                weights[task] = self.weigh(plan)
        return weights

    def weigh(self, plan: Plan) -> int:
        """What one job under a plan counts for."""
        return weight(plan.reserve, plan.window, self._share, bool(plan.shared))

    def too_large(self) -> dict[str, int]:
        """The tasks that can never fit into this worker's room, and the bytes that one job of them wants."""
        plans = {task: self._plans.get(task) or self._plan(task) for task in self._specs}
        return {task: plan.reserve for task, plan in plans.items() if plan.reserve > self._budget}

    def limits(self) -> dict[str, int]:
        """The limit in force of each task, by its own name."""
        return {
            spec.name: (self._plans.get(spec.name) or self._plan(spec.name)).limit for spec in set(self._specs.values())
        }

    def note(self, task: str, outcome: Outcome, usage: Usage | None) -> None:
        """Counts one start that has ended."""
        stats = self._fresh.get(task)
        if stats is None:
            stats = self._fresh[task] = TaskStats()
        stats.runs += 1
        stats.failures += type(outcome) is not Completed
        if usage is not None:
            stats.busy_us += usage.duration_us
            stats.duration.add(usage.duration_us)
            stats.peak.add(usage.peak)
            if usage.retained is not None:
                stats.retained += usage.retained
                stats.retained_runs += 1
        if stats.runs & (stats.runs - 1) == 0:  # at 1, 2, 4, 8, ...: of a new task the first runs say most
            self._plans.pop(task, None)

    def load(self, known: Mapping[str, TaskStats]) -> None:
        """Takes over what the store knows."""
        self._known = dict(known)
        self._plans.clear()

    def save(self, store: Store) -> None:
        """Merges what was measured here into the store, and takes over what all workers measured."""
        if self._fresh:
            fresh, self._fresh = self._fresh, {}
            store.observe(fresh)
            self.load(store.stats())

    def _stats(self, task: str) -> TaskStats | None:
        known, fresh = self._known.get(task), self._fresh.get(task)
        if known is None or fresh is None:
            return known or fresh
        merged = TaskStats.decode(known.encode())
        merged.merge(fresh)
        return merged
