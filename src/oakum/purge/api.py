"""The purges that people call: one function for each kind of thing that is deleted."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from oakum.errors import UsageError
from oakum.purge.keyset import KeyRanges
from oakum.purge.loop import advance, purge_steps, run
from oakum.purge.options import Options, Report
from oakum.units import Duration, parse_duration

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


def queryset(rows: QuerySet[Any], *, mode: Literal["auto", "fast"] = "auto", options: Options | None = None) -> Report:
    """Deletes the rows of a Django queryset as its own `.delete()` would, a batch in a transaction at a time.

    `mode="fast"` insists that Django can do so by SQL alone. Before it begins it says, through `options.note`, whether
    that is so and what else would be loaded. Raises UsageError where fast mode would lose something or every row of the
    model would go, CannotRun where one row alone cascades to more than fits, and what Django raises (ProtectedError):
    batches before that stay deleted.
    """
    from oakum.purge.orm.queryset import QuerysetRows

    options = options or Options()
    target = QuerysetRows(rows, mode)
    with target.borrowed():
        for line in target.explain():
            options.note(line)
        return run(KeyRanges(target, options), options)


def select(engine: Engine, what: Any, *, options: Options | None = None) -> Report:
    """Deletes the rows of a SQLAlchemy table, mapped class, or `select` of one with conditions.

    A mapped class with delete cascades, delete events or inheritance goes through a Session, a thousand objects at a time;
    everything else is one DELETE for each range of the key. Raises UsageError for any other select.
    """
    from oakum.purge.orm.alchemy import AlchemyRows

    options = options or Options()
    with engine.connect() as connection, closing(AlchemyRows(connection, what)) as rows:
        return run(KeyRanges(rows, options), options)


async def aselect(engine: AsyncEngine, what: Any, *, options: Options | None = None) -> Report:
    """`select` for an AsyncEngine. Cancelling it undoes the batch under way and keeps those before."""
    import asyncio  # here and not above: the command line and most callers have no use for it

    from oakum.purge.orm.alchemy import AlchemyRows

    options = options or Options()
    async with engine.connect() as connection:
        rows = await connection.run_sync(lambda sync: AlchemyRows(sync, what))
        try:
            target = await connection.run_sync(lambda _: KeyRanges(rows, options))
            steps = purge_steps(target, options)
            while not isinstance(step := await connection.run_sync(lambda _: advance(steps)), Report):  # noqa: ASYNC110  a pause
                await asyncio.sleep(step)
            return step
        finally:
            await connection.run_sync(lambda _: rows.close())


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
    Raises UsageError for a table, column or value that is not there or does not fit, CannotRun where the database can't
    be reached or refuses: batches before that stay deleted.
    """
    from oakum.purge.sql.age import cutoff
    from oakum.purge.sql.connect import connect, plainly
    from oakum.purge.sql.table import TableRows, newest_value
    from oakum.purge.sql.where import Condition, parse_condition

    options = options or Options()
    if (column is None) != (older_than is None):
        raise UsageError("older_than and column go together: say how old, and by which column")
    with closing(connect(url)) as database, plainly(database, name):
        described = database.describe(name)
        conditions = [parse_condition(text, described) for text in where]
        if column is not None and older_than is not None:
            newest = newest_value(database, described, column)
            limit = None if newest is None else cutoff(column, newest, _before(older_than, options))
            conditions.append(Condition(column, "<", limit))
        return run(KeyRanges(TableRows(database, described, conditions, by=column), options), options)


def files(
    directory: str | os.PathLike[str],
    *,
    older_than: Duration | None = None,
    match: Sequence[str] = (),
    options: Options | None = None,
) -> Report:
    """Deletes regular files below `directory` last changed longer than `older_than` ago, whose name fits a pattern.

    `match` are patterns like "*.gz"; without any, every name fits. Directories that this empties go too, and with
    `older_than` those that were empty and as old; `directory` itself stays. No link is followed and no other file system
    or mount entered. Raises UsageError where the directory is reached through a link, or where neither an age nor a
    pattern that leaves something out is given and `options.all` does not say so.
    """
    from oakum.purge.tree.files import Files
    from oakum.purge.tree.walk import Rule

    options = options or Options()
    every_name = not all(pattern.strip("*") for pattern in match or ["*"])
    if older_than is None and every_name and not options.all:
        raise UsageError(f"{os.fspath(directory)}: every file below it would go; say --all (all=True) if you mean that")
    before = None if older_than is None else _before(older_than, options)
    names = re.compile("|".join(fnmatch.translate(pattern) for pattern in match or ["*"]))
    with closing(Files(directory, Rule(before, names.match), options.note)) as target:
        return replace(run(target, options), skipped=target.skipped)


def _before(older_than: Duration, options: Options) -> float:
    """The moment, in seconds since 1970, before which a thing is older than that."""
    return options.clock.wall() - parse_duration(older_than, name="older_than", zero=True)
