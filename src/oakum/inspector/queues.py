"""Queues with their bounds and limits: seen, changed while they are used, given back to the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oakum.inspector.tally import tally_by
from oakum.inspector.views import QueueRow, RulesRow, Tally
from oakum.model.bounds import Ruled, Rules
from oakum.run.names import check_name
from oakum.run.rules import RuleOptions, read_rules, too_low, write_rate
from oakum.store.base import Count, Store


class Queues:
    """All queues of one store. All verbs raise StoreError when the store fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> tuple[QueueRow, ...]:
        """By name: those with jobs, those with rules, those that are paused."""
        store = self._store
        return queue_rows(store.counts(), store.paused(), store.rules("queue"))

    def show(self, name: str) -> QueueRow:
        """One queue: any name is one. Raises UsageError for what is no name."""
        check_name(name, "queue")
        return next((row for row in self.all() if row.name == name), QueueRow(name, False, Tally()))

    def pause(self, name: str, paused: bool) -> QueueRow:
        """Stops the handing out of its jobs, or begins again."""
        self._store.pause(check_name(name, "queue"), paused)
        return self.show(name)

    def set(self, name: str, changes: RuleOptions) -> QueueRow:
        """Puts changed rules in force, whatever the code declares, until `reset`; what is not named stays.

        Raises UsageError for what makes no sense.
        """
        ruled = self._store.rules("queue").get(check_name(name, "queue"), Ruled())
        self._store.override("queue", name, read_rules(changes, f"queue {name}", ruled.rules))
        return self.show(name)

    def reset(self, name: str) -> QueueRow:
        """Puts what the code declares in force again."""
        self._store.override("queue", check_name(name, "queue"), None)
        return self.show(name)


def queue_rows(counts: Iterable[Count], paused: frozenset[str], rules: Mapping[str, Ruled]) -> tuple[QueueRow, ...]:
    """A row for each queue that there is anything to say of, by name."""
    counts = list(counts)
    tallies = tally_by("queue", counts)
    rows = []
    for name in sorted(tallies.keys() | paused | rules.keys()):
        ruled = rules.get(name, Ruled())
        size = sum(count.bytes for count in counts if count.queue == name and not count.state.terminal)
        declared = None if ruled.override is None else rules_row(ruled.declared)
        tally = tallies.get(name, Tally())
        rows.append(QueueRow(name, name in paused, tally, size, rules_row(ruled.rules), declared))
    return tuple(rows)


def warning(row: QueueRow) -> str:
    """One line where a bound is below what the queue holds, "" where it is not."""
    bounds = Rules(row.rules.max_jobs, row.rules.max_bytes, row.rules.on_full)
    return too_low(f"queue {row.name}", bounds, row.jobs.waiting + row.jobs.running, row.bytes)


def rules_row(rules: Rules) -> RulesRow:
    """Rules as people see them."""
    rate, key_rate = (None if each is None else write_rate(each) for each in (rules.rate, rules.key_rate))
    return RulesRow(rules.max_jobs, rules.max_bytes, rules.on_full, rules.limit, rate, rules.key_limit, key_rate)
