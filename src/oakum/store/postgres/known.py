"""What has been measured of tasks: merged under a lock of each one's row."""

from __future__ import annotations

from collections.abc import Mapping

from oakum.model.stats import TaskStats
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names


def observe(db: Db, numbers: Mapping[str, int], measured: Mapping[str, TaskStats]) -> None:
    """See `oakum.store.base.Store.observe`; in a transaction. The rows are locked in one order by all."""
    for task in sorted(measured, key=lambda task: numbers[task]):
        number, stats = numbers[task], measured[task]
        new = db.run("INSERT INTO oakum.measured VALUES($1, $2) ON CONFLICT DO NOTHING", (number, stats.encode()))
        if not new:
            row = db.one("SELECT stats FROM oakum.measured WHERE task = $1 FOR UPDATE", (number,))
            known = TaskStats.decode(row[0])
            known.merge(stats)
            db.run("UPDATE oakum.measured SET stats = $2 WHERE task = $1", (number, known.encode()))


def stats(db: Db, names: Names) -> dict[str, TaskStats]:
    """See `oakum.store.base.Store.stats`."""
    rows = db.all("SELECT task, stats FROM oakum.measured")
    return {names.text(db, task): TaskStats.decode(stats) for task, stats in rows}
