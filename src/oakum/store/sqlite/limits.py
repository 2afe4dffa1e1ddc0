"""What may still start of each queue, task and key: exact, since one transaction at a time claims."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

import apsw

from oakum.model.bounds import NO_RULES, Rate, RuleKind, Rules, after_starts, may_start, opens_ms
from oakum.store.sqlite import rules
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.names import Names

_WAITS: Final = {
    "queue": "SELECT 1 FROM tally WHERE queue = ? AND state = 0 AND jobs > 0",
    "task": "SELECT 1 FROM tally WHERE task = ? AND state = 0 AND jobs > 0",
}
_KEY_ARRIVED: Final = "INSERT OR REPLACE INTO line(queue, key, arrival) VALUES(?, ?, ?)"

Place = tuple[RuleKind, int]


class Limits:
    """The limits and rates of one claim. Empty, and free of charge, where nothing has any."""

    def __init__(self, db: apsw.Connection, names: Names, now_ms: int) -> None:
        self._db, self._now_ms = db, now_ms
        self._rules: dict[Place, tuple[str, Rules, float]] = {}
        for kind, name, rule, arrival in rules.limited(db):
            number = names.find(db, name)
            if number is not None:
                self._rules[kind, number] = name, rule, arrival
        self._running: Counter[Place] = Counter()
        if self._rules:
            for queue, task, jobs in fetch_all(db, "SELECT queue, task, jobs FROM tally WHERE state = 1 AND jobs > 0"):
                self._running["queue", queue] += jobs
                self._running["task", task] += jobs
        self._started: Counter[Place] = Counter()

    def __bool__(self) -> bool:
        return bool(self._rules)

    def left(self, kind: RuleKind, number: int) -> float:
        """How many more jobs of a queue or a task may start now."""
        found = self._rules.get((kind, number))
        if found is None:
            return math.inf
        _, rule, arrival = found
        left = math.inf if rule.limit is None else rule.limit - self._running[kind, number]
        if rule.rate is not None:
            left = min(left, may_start(rule.rate, arrival, self._now_ms))
        return left - self._started[kind, number]

    def key_opens_ms(self, queue: int, key: str | None) -> int | None:
        """When a job of a key may start whose rate is spent, None where it may now."""
        rate = self._key_rate(queue)
        if rate is None or key is None:
            return None
        arrival = self._key_arrival(queue, key)
        return None if may_start(rate, arrival, self._now_ms) else math.ceil(opens_ms(rate, arrival))

    def start(self, queue: int, task: int, key: str | None) -> None:
        """One job starts."""
        self._started["queue", queue] += 1
        self._started["task", task] += 1
        rate = self._key_rate(queue)
        if rate is not None and key is not None:
            arrival = after_starts(rate, self._key_arrival(queue, key), self._now_ms, 1)
            self._db.execute(_KEY_ARRIVED, (queue, key, arrival))

    def save(self) -> None:
        """Writes what has been spent of the rates."""
        for place, jobs in self._started.items():
            name, rule, arrival = self._rules.get(place, ("", NO_RULES, 0.0))
            if rule.rate is not None:
                arrived = after_starts(rule.rate, arrival, self._now_ms, jobs)
                self._db.execute("UPDATE rule SET arrival = ? WHERE kind = ? AND name = ?", (arrived, place[0], name))

    def _key_rate(self, queue: int) -> Rate | None:
        found = self._rules.get(("queue", queue))
        return None if found is None else found[1].key_rate

    def _key_arrival(self, queue: int, key: str) -> float:
        row = fetch_one(self._db, "SELECT arrival FROM line WHERE queue = ? AND key = ?", (queue, key))
        return 0.0 if row is None else float(row[0])


def next_open(db: apsw.Connection, names: Names) -> int | None:
    """The wall milliseconds at which the next rate that available jobs wait for lets one start."""
    opens: list[int] = []
    for kind, name, rule, arrival in rules.limited(db):
        if rule.rate is not None and fetch_one(db, _WAITS[kind], (names.find(db, name),)):
            opens.append(math.ceil(opens_ms(rule.rate, arrival)))
    return min(opens, default=None)
