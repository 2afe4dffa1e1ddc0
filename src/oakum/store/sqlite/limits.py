"""What may still start of each queue, task and key: exact, since one transaction at a time claims."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from oakum.model.bounds import Rate, RuleKind, Rules, after_starts, may_start, opens_ms
from oakum.store.base import Spent
from oakum.store.sqlite import rules
from oakum.store.sqlite.connection import fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names

_RUNNING: Final = {
    "queue": "SELECT coalesce(sum(jobs), 0) FROM tally WHERE queue = ? AND state = 1",
    "task": "SELECT coalesce(sum(jobs), 0) FROM tally WHERE task = ? AND state = 1 AND state < 2",
}
_WAITS: Final = {
    "queue": "SELECT 1 FROM tally WHERE queue = ? AND state = 0 AND jobs > 0",
    "task": "SELECT 1 FROM tally WHERE task = ? AND state = 0 AND state < 2 AND jobs > 0",
}
_KEY_ARRIVAL: Final = "SELECT arrival FROM line WHERE queue = ? AND key = ?"
_KEY_ARRIVED: Final = "INSERT OR REPLACE INTO line(queue, key, arrival) VALUES(?, ?, ?)"


@dataclass(slots=True)
class _Allowance:
    """How many jobs of one queue or task may still start in this claim."""

    name: str
    rules: Rules
    arrival: float
    left: float
    started: int = 0


class Limits:
    """The limits and rates of one claim. False, and free of charge, where nothing has any."""

    def __init__(self, db: Database, names: Names, now_ms: int) -> None:
        self._db, self._names, self._now_ms = db, names, now_ms
        self._any = bool(rules.limited(db))
        self._allowances: dict[tuple[RuleKind, int], _Allowance] = {}
        self._arrivals: dict[tuple[int, str], float] = {}

    def __bool__(self) -> bool:
        return self._any

    def left(self, kind: RuleKind, number: int) -> float:
        """How many more jobs of a queue or a task may start now."""
        return self._of(kind, number).left if self._any else math.inf

    def key_opens_ms(self, queue: int, key: str | None) -> int | None:
        """When a job of a key may start whose rate is spent, None where it may now."""
        rate = self._key_rate(queue, key)
        if rate is None or key is None:
            return None
        arrival = self._key_arrival(queue, key)
        return None if may_start(rate, arrival, self._now_ms) else math.ceil(opens_ms(rate, arrival))

    def start(self, queue: int, task: int, key: str | None) -> None:
        """One job starts."""
        for allowance in (self._of("queue", queue), self._of("task", task)):
            allowance.left -= 1
            allowance.started += 1
        rate = self._key_rate(queue, key)
        if rate is not None and key is not None:
            self._arrivals[queue, key] = after_starts(rate, self._key_arrival(queue, key), self._now_ms, 1)

    def save(self) -> None:
        """Writes what has been spent of the rates."""
        for (kind, _), each in self._allowances.items():
            if each.rules.rate is not None and each.started:
                arrival = after_starts(each.rules.rate, each.arrival, self._now_ms, each.started)
                rules.arrived(self._db, kind, each.name, arrival)
        spent = [(*place, arrival) for place, arrival in self._arrivals.items() if arrival > self._now_ms]
        self._db.executemany(_KEY_ARRIVED, spent)

    def _of(self, kind: RuleKind, number: int) -> _Allowance:
        known = self._allowances.get((kind, number))
        if known is None:
            name = self._names.text(self._db, number)
            rule, arrival = rules.with_arrival(self._db, kind, name)
            left = math.inf
            if rule.limit is not None:
                left = rule.limit - fetch_one(self._db, _RUNNING[kind], (number,))[0]
            if rule.rate is not None:
                left = min(left, may_start(rule.rate, arrival, self._now_ms))
            known = self._allowances[kind, number] = _Allowance(name, rule, arrival, left)
        return known

    def _key_rate(self, queue: int, key: str | None) -> Rate | None:
        return None if key is None else self._of("queue", queue).rules.key_rate

    def _key_arrival(self, queue: int, key: str) -> float:
        known = self._arrivals.get((queue, key))
        if known is None:
            row = fetch_one(self._db, _KEY_ARRIVAL, (queue, key))
            known = self._arrivals[queue, key] = 0.0 if row is None else row[0]
        return known


def spent(db: Database, names: Names, now_ms: int) -> list[Spent]:
    """See `oakum.store.base.Store.spent`."""
    found: list[Spent] = []
    for kind, name in rules.limited(db):
        rule, arrival = rules.with_arrival(db, kind, name)
        if rule.rate is None or may_start(rule.rate, arrival, now_ms):
            continue
        if fetch_one(db, _WAITS[kind], (names.find(db, name),)):
            found.append(Spent(kind, name, math.ceil(opens_ms(rule.rate, arrival))))
    return found
