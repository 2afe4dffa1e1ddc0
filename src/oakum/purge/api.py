"""The purges that people call: one function for each kind of thing that is deleted."""

from __future__ import annotations

from collections.abc import Sequence

from oakum.errors import UsageError
from oakum.purge.keyset import KeyRanges
from oakum.purge.loop import run
from oakum.purge.options import Options, Report
from oakum.units import Duration, parse_duration


def table(
    url: str,
    name: str,
    *,
    column: str | None = None,
    older_than: Duration | None = None,
    where: Sequence[str] = (),
    options: Options | None = None,
) -> Report:
    """Deletes rows of a plain table: those whose `column` is `older_than` and that meet every condition of `where`.

    `url` is sqlite:///file.db, postgresql://host/db or mysql://host/db; `name` may have a schema in front. Conditions
    read like "status=done" or "created<2024-01-01"; values are bound. Without any, `options.all` must say so.
    Raises UsageError for a table, column or value that is not there or does not fit, CannotRun where the database
    can't be reached.
    """
    from oakum.purge.sql.age import cutoff
    from oakum.purge.sql.connect import connect
    from oakum.purge.sql.table import TableRows, newest_value
    from oakum.purge.sql.where import Condition, parse_condition

    options = options or Options()
    if (column is None) != (older_than is None):
        raise UsageError("older_than and column go together: say how old, and by which column")
    database = connect(url)
    try:
        described = database.describe(name)
        conditions = [parse_condition(text, described) for text in where]
        if column is not None and older_than is not None:
            wall = options.clock.wall() - parse_duration(older_than, name="older_than", zero=True)
            newest = newest_value(database, described, column)
            conditions.append(Condition(column, "<", None if newest is None else cutoff(column, newest, wall)))
        return run(KeyRanges(TableRows(database, described, conditions, by=column), options), options)
    finally:
        database.close()
