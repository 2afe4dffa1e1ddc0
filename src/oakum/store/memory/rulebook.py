"""The rules of the reference store, and what they let start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from oakum.errors import NotEnqueued, StoreFull
from oakum.model.bounds import Rate, Ruled, RuleKind, Rules, after_starts, may_start, opens_ms
from oakum.store.base import Space, Spent
from oakum.store.memory.rows import Row
from oakum.store.room import check_space

Place = tuple[RuleKind | Literal["key"], str, str]  # kind of rate, name, and the key for one that is kept by key


class RuleBook:
    """Bounds, limits and rates by kind and name, and what has been spent of the rates."""

    def __init__(self) -> None:
        self._rules: dict[tuple[RuleKind, str], Ruled] = {}
        self._arrivals: dict[Place, float] = {}

    def of(self, kind: RuleKind, name: str) -> Rules:
        """The rules in force."""
        return self._rules.get((kind, name), Ruled()).rules

    def known(self, kind: RuleKind) -> Mapping[str, Ruled]:
        """All rules of a kind that say anything."""
        return {name: each for (of, name), each in self._rules.items() if of == kind and each != Ruled()}

    def declare(self, kind: RuleKind, name: str, rules: Rules) -> None:
        """What the code says."""
        self._rules[kind, name] = Ruled(rules, self._rules.get((kind, name), Ruled()).override)

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        """What an operator says instead."""
        self._rules[kind, name] = Ruled(self._rules.get((kind, name), Ruled()).declared, rules)

    @property
    def bounding(self) -> bool:
        """Whether anything has a bound."""
        return any(each.rules.max_jobs is not None or each.rules.max_bytes is not None for each in self._rules.values())

    def space(self, rows: Iterable[Row]) -> Space:
        """What a store of these jobs has taken of its own bound."""
        return Space(sum(len(row.new.payload) for row in rows), self.of("store", "").max_bytes)

    def admit(self, rows: Iterable[Row]) -> None:
        """Raises NotEnqueued where a store of these jobs takes no more."""
        try:
            check_space(self.space(rows), "memory://")
        except StoreFull as error:
            raise NotEnqueued(str(error)) from error

    def may_start(self, row: Row, running: Iterable[Row], now_ms: int) -> int | None:
        """From when a job may start by the rate of its key, 0 now; None where another limit or rate is spent."""
        beside = list(running)
        queue, task = self.of("queue", row.new.queue).limit, self.of("task", row.new.task).limit
        if queue is not None and sum(each.new.queue == row.new.queue for each in beside) >= queue:
            return None
        if task is not None and sum(each.new.task == row.new.task for each in beside) >= task:
            return None
        for place, rate in self._rates(row):
            arrival = self._arrivals.get(place, 0.0)
            if not may_start(rate, arrival, now_ms):
                return math.ceil(opens_ms(rate, arrival)) if place[0] == "key" else None
        return 0

    def start(self, row: Row, now_ms: int) -> None:
        """Spends of the rates what one start takes."""
        for place, rate in self._rates(row):
            self._arrivals[place] = after_starts(rate, self._arrivals.get(place, 0.0), now_ms, 1)

    def holding_back(self, waiting: Iterable[Row], now_ms: int) -> list[Spent]:
        """The rates that hold some of these back."""
        found: dict[Place, Spent] = {}
        for row in waiting:
            for place, rate in self._rates(row):
                kind, name, arrival = place[0], place[1], self._arrivals.get(place, 0.0)
                if kind != "key" and not may_start(rate, arrival, now_ms):
                    found[place] = Spent(kind, name, math.ceil(opens_ms(rate, arrival)))
        return list(found.values())

    def forget_past(self, now_ms: int) -> None:
        """Lets go of rates of which nothing is spent any more."""
        self._arrivals = {place: at for place, at in self._arrivals.items() if at > now_ms}

    @property
    def spent(self) -> Mapping[Place, float]:
        """The theoretical arrival times of all rates."""
        return dict(self._arrivals)

    def spend(self, spent: Mapping[Place, float]) -> None:
        """Puts such times in place of those that there are."""
        self._arrivals = dict(spent)

    def _rates(self, row: Row) -> Iterator[tuple[Place, Rate]]:
        queue, task = self.of("queue", row.new.queue), self.of("task", row.new.task)
        if task.rate is not None:
            yield ("task", row.new.task, ""), task.rate
        if queue.rate is not None:
            yield ("queue", row.new.queue, ""), queue.rate
        if queue.key_rate is not None and row.new.key is not None:
            yield ("key", row.new.queue, row.new.key), queue.key_rate
