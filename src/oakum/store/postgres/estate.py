"""What is neither job nor key, taken out of the schema and put into it: the rest of `moving`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from oakum.model.bounds import KINDS
from oakum.store.kept import Scheduled
from oakum.store.moving import NOTICE, Estate, Spent
from oakum.store.postgres import rules, tally
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names

_EMPTY: Final = f"""
DELETE FROM oakum.schedule; DELETE FROM oakum.paused; DELETE FROM oakum.measured;
DELETE FROM oakum.tally WHERE state = {tally.PRUNED}; DELETE FROM oakum.delta WHERE state = {tally.PRUNED};
"""
_SPENT_OF_KEY: Final = """
INSERT INTO oakum.line VALUES($1, $2, $3) ON CONFLICT (queue, key) DO UPDATE SET arrival = excluded.arrival
"""
_MEMO: Final = "INSERT INTO oakum.memo VALUES($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def read(db: Db, names: Names) -> Estate:
    """All of it; in a transaction."""
    rates = db.all("SELECT kind, name, arrival FROM oakum.rule WHERE arrival > 0")
    of_keys = db.all("SELECT text, key, arrival FROM oakum.line JOIN oakum.name ON number = queue WHERE arrival > 0")
    gone = db.all(f"{tally.SUM} WHERE state = {tally.PRUNED} GROUP BY queue, task, state")
    text = names.text
    return Estate(
        rules={kind: rules.read(db, kind) for kind in KINDS},
        spent=(
            *(Spent(kind, name, None, arrival) for kind, name, arrival in rates),
            *(Spent("queue", queue, key, arrival) for queue, key, arrival in of_keys),
        ),
        schedules=tuple(
            Scheduled(*row) for row in db.all("SELECT name, version, next, spec, state FROM oakum.schedule")
        ),
        memos=dict(db.all(f"SELECT name, value FROM oakum.memo WHERE name <> '{NOTICE}'")),
        stats=dict(db.all("SELECT text, stats FROM oakum.measured JOIN oakum.name ON number = task")),
        paused=frozenset(
            queue for (queue,) in db.all("SELECT text FROM oakum.paused JOIN oakum.name ON number = queue")
        ),
        gone={(text(db, queue), text(db, task)): jobs for queue, task, _, jobs, _ in gone},
    )


def furnish(db: Db, estate: Estate, numbers: Mapping[str, int]) -> None:
    """Puts it in place; `numbers` are those of `names_in` it."""
    for kind, ruled in estate.rules.items():
        rules.declare(db, kind, {name: each.declared for name, each in ruled.items()})
        for name, each in ruled.items():
            rules.override(db, kind, name, each.override)
    for statement in _EMPTY.split(";")[:-1]:
        db.run(statement)
    for spent in estate.spent:
        if spent.key is None:
            rate = spent.kind, spent.name, spent.arrival_ms
            db.run("UPDATE oakum.rule SET arrival = $3 WHERE kind = $1 AND name = $2", rate)
        else:
            db.run(_SPENT_OF_KEY, (numbers[spent.name], spent.key, spent.arrival_ms))
    for schedule in estate.schedules:
        row = schedule.name, schedule.version, schedule.next_ms, schedule.spec, schedule.state
        db.run("INSERT INTO oakum.schedule(name, version, next, spec, state) VALUES($1, $2, $3, $4, $5)", row)
    for memo in estate.memos.items():
        db.run(_MEMO, memo)
    for task, stats in estate.stats.items():
        db.run("INSERT INTO oakum.measured VALUES($1, $2)", (numbers[task], stats))
    for queue in estate.paused:
        db.run("INSERT INTO oakum.paused VALUES($1)", (numbers[queue],))
    for (queue, task), jobs in estate.gone.items():
        tally.add(db, numbers[queue], numbers[task], tally.PRUNED, jobs, 0)


def names_in(estate: Estate) -> Iterator[str]:
    """The names of tasks and queues that it speaks of by their numbers."""
    yield from (each.name for each in estate.spent if each.key is not None)
    yield from estate.stats
    yield from estate.paused
    for pair in estate.gone:
        yield from pair
