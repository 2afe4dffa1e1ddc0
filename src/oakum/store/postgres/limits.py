"""Taking jobs of queues and tasks that have a limit or a rate: exact, since all who take there wait for each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oakum.model.bounds import NO_RULES, Rate, RuleKind, after_starts, may_start, opens_ms
from oakum.model.job import Claimed
from oakum.store.base import Spent, Want
from oakum.store.postgres import claim, holders, rules, tally
from oakum.store.postgres.claim import Wish
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names

_ROUNDS: Final = 10  # each puts off the first jobs whose key has spent its rate
_ARRIVALS: Final = "SELECT kind, name, arrival FROM oakum.rule WHERE limited"
_ARRIVED: Final = "UPDATE oakum.rule SET arrival = $3 WHERE kind = $1 AND name = $2"
_KEY_ARRIVAL: Final = "SELECT arrival FROM oakum.line WHERE queue = $1 AND key = $2 FOR UPDATE"
_KEY_ARRIVED: Final = "UPDATE oakum.line SET arrival = $3 WHERE queue = $1 AND key = $2"
_PUT_OFF: Final = """
WITH moved AS (
    UPDATE oakum.job SET state = 2, run_at = new.at FROM unnest($1::uuid[], $2::bigint[]) AS new(id, at)
    WHERE job.id = new.id AND state = 0 RETURNING queue, task, octet_length(payload) AS size
)
INSERT INTO oakum.delta SELECT queue, task, side.state, side.sign * count(*), side.sign * sum(size)
FROM moved, (VALUES (0, -1), (2, 1)) AS side(state, sign) GROUP BY queue, task, side.state, side.sign
"""
_OPEN: Final = """
SELECT kind, name, declared, override, arrival FROM oakum.rule JOIN oakum.name ON name.text = rule.name
WHERE limited AND EXISTS (SELECT 1 FROM oakum.job WHERE state = 0 AND
    ((kind = 'queue' AND queue = number) OR (kind = 'task' AND task = number)))
"""


def spent(db: Db, now_ms: int) -> list[Spent]:
    """See `oakum.store.base.Store.spent`."""
    found: list[Spent] = []
    for kind, name, declared, said, arrival in db.all(_OPEN):
        rate = rules.decode(declared, said).rules.rate
        if rate is not None and not may_start(rate, arrival, now_ms):
            found.append(Spent(kind, name, math.ceil(opens_ms(rate, arrival))))
    return found


def take(db: Db, names: Names, want: Want, numbers: Mapping[str, int], now_ms: int) -> list[Claimed]:
    """Takes jobs, no more than limits and rates leave. In a transaction."""
    if not holders.leads(db, want.holder):
        return []
    books = _Books(db, want, numbers, now_ms)
    chosen: list[Wish] = []
    for _ in range(_ROUNDS):
        chosen, late = books.choose(claim.wishes(want, numbers))
        if not late:
            break
        db.run(_PUT_OFF, (list(late), list(late.values())))
    taken = claim.take(db, names, chosen, want, now_ms)
    books.count(taken)
    return taken


class _Books:
    """What may still start of each queue, task and key, as long as their rules are locked."""

    def __init__(self, db: Db, want: Want, numbers: Mapping[str, int], now_ms: int) -> None:
        self._db, self._want, self._numbers, self._now_ms = db, want, numbers, now_ms
        self._rules = {
            (kind, name): ruled.rules
            for kind, some in _kinds(want)
            for name, ruled in rules.read(db, kind, some, lock="FOR UPDATE").items()
        }
        self._arrivals = {(kind, name): arrival for kind, name, arrival in db.all(_ARRIVALS)}
        self._running = tally.running(db)

    def choose(self, asked: list[Wish]) -> tuple[list[Wish], dict[Any, int]]:
        """How many to take of each; and jobs whose key has spent its rate, with the moment from which they may start."""
        left = {(kind, name): self._left(kind, name) for kind, some in _kinds(self._want) for name in some}
        tasks = {self._numbers[task]: task for task in self._want.weights}
        open_ = [
            wish
            for wish in asked
            if left["queue", self._want.queues[wish.line]] > 0 and left["task", tasks[wish.task]] > 0
        ]
        heads = claim.head(self._db, open_, self._now_ms)
        keys = self._key_arrivals(heads)
        room, most = self._want.room, self._want.limit
        chosen: Counter[tuple[int, int]] = Counter()
        late: dict[Any, int] = {}
        ended: set[int] = set()
        for line, task, job, key in heads:
            queue, weight = self._want.queues[line], self._want.weights[tasks[task]]
            if line in ended or left["queue", queue] <= 0 or left["task", tasks[task]] <= 0:
                continue
            rate = self._rate_of_key(queue, key)
            if rate is not None and not may_start(rate, keys[queue, key], self._now_ms):
                late[job] = math.ceil(opens_ms(rate, keys[queue, key]))
                continue
            if weight > room or most == 0:
                ended.add(line)
                continue
            room, most = room - weight, most - 1
            chosen[line, task] += 1
            left["queue", queue] -= 1
            left["task", tasks[task]] -= 1
            if rate is not None:
                keys[queue, key] = after_starts(rate, keys[queue, key], self._now_ms, 1)
        return [wish._replace(most=jobs) for wish in open_ if (jobs := chosen[wish.line, wish.task])], late

    def count(self, taken: list[Claimed]) -> None:
        """Writes that these have started."""
        queues: Counter[tuple[RuleKind, str]] = Counter(("queue", job.queue) for job in taken)
        tasks: Counter[tuple[RuleKind, str]] = Counter(("task", job.task) for job in taken)
        for place, jobs in (queues + tasks).items():
            rate = self._rules.get(place, NO_RULES).rate
            if rate is not None:
                arrival = after_starts(rate, self._arrivals.get(place, 0.0), self._now_ms, jobs)
                self._db.run(_ARRIVED, (*place, arrival))
        for (queue, key), jobs in Counter((job.queue, job.key) for job in taken).items():
            rate = self._rate_of_key(queue, key)
            if rate is not None:
                line = self._numbers[queue], key
                arrival = after_starts(rate, self._db.one(_KEY_ARRIVAL, line)[0], self._now_ms, jobs)
                self._db.run(_KEY_ARRIVED, (*line, arrival))

    def _left(self, kind: RuleKind, name: str) -> float:
        rule = self._rules.get((kind, name), NO_RULES)
        left = math.inf
        if rule.limit is not None:
            at = 0 if kind == "queue" else 1
            left = rule.limit - sum(jobs for pair, jobs in self._running.items() if pair[at] == self._numbers[name])
        if rule.rate is not None:
            left = min(left, may_start(rule.rate, self._arrivals.get((kind, name), 0.0), self._now_ms))
        return left

    def _rate_of_key(self, queue: str, key: str | None) -> Rate | None:
        return None if key is None else self._rules.get(("queue", queue), NO_RULES).key_rate

    def _key_arrivals(self, heads: list[Any]) -> dict[tuple[str, str | None], float]:
        pairs = {
            (self._want.queues[line], key)
            for line, _, _, key in heads
            if self._rate_of_key(self._want.queues[line], key)
        }
        return {
            (queue, key): self._db.one(_KEY_ARRIVAL, (self._numbers[queue], key))[0]
            for queue, key in sorted(pairs, key=str)
        }


def _kinds(want: Want) -> tuple[tuple[RuleKind, Sequence[str]], ...]:
    return ("queue", want.queues), ("task", tuple(want.weights))
