"""Taking jobs of queues and tasks that have a limit or a rate: exact, since all who take there wait for each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from oakum.model.bounds import NO_RULES, Rate, RuleKind, Rules, after_starts, may_start, opens_ms
from oakum.model.job import Claimed
from oakum.store.base import Spent, Want
from oakum.store.postgres import claim, rules, tally
from oakum.store.postgres.claim import Wish
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names

_Place = tuple[RuleKind, int]
"""A queue or a task, by its number."""

_ROUNDS: Final = 10  # each puts off the first jobs whose key has spent its rate
_RULES: Final = """
SELECT kind, number, declared, override, arrival FROM oakum.rule JOIN oakum.name ON name.text = rule.name
WHERE limited AND ((kind = 'queue' AND number = ANY($1::bigint[])) OR (kind = 'task' AND number = ANY($2::bigint[])))
ORDER BY kind, rule.name FOR UPDATE OF rule
"""
_ARRIVED: Final = """
UPDATE oakum.rule SET arrival = $3 FROM oakum.name WHERE kind = $1 AND name.number = $2 AND rule.name = name.text
"""
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
# What waits is counted, not looked for: jobs of one task may be behind a million others.
_OPEN: Final = f"""
SELECT kind, rule.name, declared, override, arrival FROM oakum.rule JOIN oakum.name ON name.text = rule.name
WHERE limited AND EXISTS (SELECT 1 FROM ({tally.SUM} WHERE state = 0 GROUP BY queue, task, state) AS waiting
    WHERE jobs > 0 AND ((kind = 'queue' AND queue = number) OR (kind = 'task' AND task = number)))
"""
_NEXT: Final = f"SELECT due.at, open.* FROM ({claim.NEXT_DUE}) AS due(at) LEFT JOIN ({_OPEN}) AS open ON true"


def spent(db: Db, now_ms: int) -> list[Spent]:
    """See `oakum.store.base.Store.spent`."""
    return _spent(db.all(_OPEN), now_ms)


def next_due(db: Db, now_ms: int) -> int | None:
    """See `oakum.store.base.Store.next_due`: two index look-ups, and the rates that are spent."""
    rows = db.all(_NEXT)
    moments = [rows[0][0], *(each.opens_ms for each in _spent([row[1:] for row in rows], now_ms))]
    return min((at for at in moments if at is not None), default=None)


def _spent(rows: list[Any], now_ms: int) -> list[Spent]:
    found: list[Spent] = []
    for kind, name, declared, said, arrival in rows:
        rate = rules.decode(declared, said).rules.rate
        if rate is not None and not may_start(rate, arrival, now_ms):
            found.append(Spent(kind, name, math.ceil(opens_ms(rate, arrival))))
    return found


def take(db: Db, names: Names, asked: list[Wish], want: Want, numbers: Mapping[str, int], now_ms: int) -> list[Claimed]:
    """Takes jobs, no more than limits and rates leave. In a transaction."""
    books = _Books(db, asked, want, now_ms)
    chosen: list[Wish] = []
    for _ in range(_ROUNDS):
        chosen, late = books.choose()
        if not late:
            break
        db.run(_PUT_OFF, (list(late), list(late.values())))
    taken = claim.take(db, names, chosen, want, now_ms)
    books.count(taken, numbers)
    return taken


class _Books:
    """What may still start of each queue, task and key, as long as their rules are locked."""

    def __init__(self, db: Db, asked: list[Wish], want: Want, now_ms: int) -> None:
        self._db, self._asked, self._want, self._now_ms = db, asked, want, now_ms
        self._rules: dict[_Place, Rules] = {}
        self._arrivals: dict[_Place, float] = {}
        queues, tasks = {wish.queue for wish in asked}, {wish.task for wish in asked}
        for kind, number, declared, said, arrival in db.all(_RULES, (list(queues), list(tasks))):
            self._rules[kind, number] = rules.decode(declared, said).rules
            self._arrivals[kind, number] = arrival
        self._running = tally.running(db)  # after the rules are locked: nobody else adds to it now

    def choose(self) -> tuple[list[Wish], dict[Any, int]]:
        """How many to take of each; and jobs whose key has spent its rate, with the moment from which they may start."""
        left = {place: self._left(place) for wish in self._asked for place in _places(wish)}
        open_ = [wish for wish in self._asked if all(left[place] > 0 for place in _places(wish))]
        wishes = {(wish.line, wish.task): wish for wish in open_}
        heads = [(wishes[line, task], job, key) for line, task, job, key in claim.head(self._db, open_, self._now_ms)]
        arrivals = self._key_arrivals({(wish.queue, key) for wish, _, key in heads})
        room, most = self._want.room, self._want.limit
        chosen: Counter[Wish] = Counter()
        late: dict[Any, int] = {}
        ended: set[int] = set()
        for wish, job, key in heads:
            if wish.line in ended or any(left[place] <= 0 for place in _places(wish)):
                continue
            rate = self._rate_of_key(wish.queue, key)
            if rate is not None and not may_start(rate, arrivals[wish.queue, key], self._now_ms):
                late[job] = math.ceil(opens_ms(rate, arrivals[wish.queue, key]))
                continue
            if wish.weight > room or most == 0:
                ended.add(wish.line)
                continue
            room, most = room - wish.weight, most - 1
            chosen[wish] += 1
            for place in _places(wish):
                left[place] -= 1
            if rate is not None:
                arrivals[wish.queue, key] = after_starts(rate, arrivals[wish.queue, key], self._now_ms, 1)
        return [wish._replace(most=jobs) for wish, jobs in chosen.items()], late

    def count(self, taken: list[Claimed], numbers: Mapping[str, int]) -> None:
        """Writes that these have started."""
        started: Counter[_Place] = Counter(("queue", numbers[job.queue]) for job in taken)
        started.update(("task", numbers[job.task]) for job in taken)
        for place, jobs in started.items():
            rate = self._rules.get(place, NO_RULES).rate
            if rate is not None:
                self._db.run(_ARRIVED, (*place, after_starts(rate, self._arrivals[place], self._now_ms, jobs)))
        for line, jobs in Counter((numbers[job.queue], job.key) for job in taken).items():
            rate = self._rate_of_key(*line)
            if rate is not None:
                arrival = after_starts(rate, self._db.one(_KEY_ARRIVAL, line)[0], self._now_ms, jobs)
                self._db.run(_KEY_ARRIVED, (*line, arrival))

    def _left(self, place: _Place) -> float:
        rule = self._rules.get(place, NO_RULES)
        left = math.inf
        if rule.limit is not None:
            at = 0 if place[0] == "queue" else 1
            left = rule.limit - sum(jobs for pair, jobs in self._running.items() if pair[at] == place[1])
        if rule.rate is not None:
            left = min(left, may_start(rule.rate, self._arrivals[place], self._now_ms))
        return left

    def _rate_of_key(self, queue: int, key: str | None) -> Rate | None:
        return None if key is None else self._rules.get(("queue", queue), NO_RULES).key_rate

    def _key_arrivals(self, lines: set[tuple[int, str | None]]) -> dict[tuple[int, str | None], float]:
        rated = sorted((line for line in lines if self._rate_of_key(*line)), key=str)
        return {line: self._db.one(_KEY_ARRIVAL, line)[0] for line in rated}


def _places(wish: Wish) -> tuple[_Place, _Place]:
    return ("queue", wish.queue), ("task", wish.task)
