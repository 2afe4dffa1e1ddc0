"""The rows of a Django QuerySet, deleted by Django itself in ranges of the primary key."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal

from django.db import connections, router, transaction
from django.db.models import Case, Exists, OuterRef, QuerySet, When
from django.db.models.lookups import Exact

from oakum.errors import CannotRun, UsageError
from oakum.purge.checkpoint import Checkpoints, through
from oakum.purge.lock import LockTime
from oakum.purge.orm.alone import alone
from oakum.purge.orm.cascade import cascade_of
from oakum.purge.position import Key

Mode = Literal["auto", "fast"]

_LOADED_BY_BATCH: Final = 4_000  # objects that a batch brings into memory: its rows and what cascades from them
_LOADED_BY_ROW: Final = 100_000  # objects that one row may bring with it, which can't be split: some 120 MB


class QuerysetRows:
    """The rows of `queryset`. Each batch goes through its own `.delete()`, with cascades, signals and all that is due.

    Mode "fast" insists that Django deletes by SQL alone; "auto" takes either way.
    """

    key = ("pk",)

    def __init__(self, queryset: QuerySet[Any], mode: Mode = "auto") -> None:
        self._model = queryset.model
        self._using = queryset._db or router.db_for_write(self._model)  # noqa: SLF001  `db` is where it reads
        self._connection = connections[self._using]
        with transaction.atomic(using=self._using, durable=True):
            pass  # Django raises RuntimeError inside atomic(), where no batch would be committed
        self._rows = queryset.using(self._using).order_by().select_related(None)
        self.label = f"{self._model._meta.label} of {self._using}"
        self.cascade = cascade_of(self._model, self._using)
        self._overridden = type(queryset).delete is not QuerySet.delete  # soft deletion: it means what it does
        self.loads = not self.cascade.fast
        self._checkpoints: Checkpoints | None = None
        self._loads_by_row = 1.0  # objects that the last batch brought into memory for each of its rows
        self.shuts_out = self._connection.vendor == "sqlite" and self.cascade.fast
        if mode == "fast" and not self.cascade.fast:
            raise UsageError(f"{self.label}: fast mode would lose something: {'; '.join(self.cascade.reasons)}")

    def count(self) -> int:
        return int(self._once(self._rows.values("pk")).count())

    def has_others(self) -> bool:
        # Asked row by row, newest first: MariaDB makes a list of all that match out of a bare NOT EXISTS, in seconds.
        matches = Case(When(Exists(self._rows.filter(pk=OuterRef("pk"))), then=True), default=False)
        others = self._model._base_manager.using(self._using).filter(Exact(matches, False))
        return others.order_by("-pk").values_list("pk").first() is not None

    def upto(self, after: Key | None, until: Key | None, size: int) -> Key | None:
        """The end of the next batch: nearer than `size` rows where it would load more objects than a batch may."""
        if not self.cascade.fast:
            size = max(1, min(size, int(_LOADED_BY_BATCH / self._loads_by_row)))
        while True:
            keys = self._once(self._within(after, until).order_by("pk").values_list("pk", flat=True))
            last = tuple(keys[size - 1 : size]) or tuple(keys[:size])[-1:]
            if not last or not self.cascade.loaded:
                return last or None
            loads = size + sum(one.rows(self._within(after, last)).count() for one in self.cascade.loaded)
            self._loads_by_row = loads / size
            if loads <= _LOADED_BY_BATCH or (size == 1 and loads <= _LOADED_BY_ROW):
                return last
            if size == 1:
                relations = ", ".join(one.relation for one in self.cascade.loaded)
                raise CannotRun(f"{self.label}: row {last[0]} alone would load {loads:,}; purge first: {relations}")
            size = max(1, min(size // 2, size * _LOADED_BY_BATCH // loads))

    def delete(self, after: Key | None, upto: Key, lock: LockTime) -> int:
        rows = self._within(after, upto)
        with self._turn(), self._connection.execute_wrapper(_telling(lock)):
            if self._overridden:
                count = int(rows.count())
                rows.delete()
            else:
                count = int(rows.delete()[1].get(self._model._meta.label, 0))
        lock.given_back()
        if self._checkpoints:
            self._checkpoints.after(lock.seconds)
        return count

    def _turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self.cascade.fast else alone(self._connection, self._model._meta.db_table)

    def explain(self) -> Iterator[str]:
        """Says whether Django deletes these rows by SQL alone, and if not, why and what else it loads."""
        if self.cascade.fast:
            yield f"{self.label}: Django deletes these rows by SQL alone, nothing is loaded"
            return
        yield f"{self.label}: Django loads the rows to delete them, because " + "; ".join(self.cascade.reasons)
        for loaded in self.cascade.loaded:
            yield f"{self.label}: {loaded.relation}: {loaded.rows(self._rows).count():,} rows are loaded with them"
        yield f"{self.label}: at most {_LOADED_BY_BATCH:,} objects are held at a time"

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Django's connection as a purge wants it: no log of queries that grows with DEBUG on, no checkpoints in commits."""
        kept = self._connection.queries_log
        self._connection.queries_log = deque(maxlen=1)
        if self._connection.vendor == "sqlite" and not self._connection.in_atomic_block:
            self._checkpoints = Checkpoints(through(self._connection.cursor))
        try:
            yield
        finally:
            if self._checkpoints:
                self._checkpoints.close()
            self._connection.queries_log = kept

    def _within(self, after: Key | None, upto: Key | None) -> QuerySet[Any]:
        rows = self._rows
        if after is not None:
            rows = rows.filter(pk__gt=after[0])
        if upto is not None:
            rows = rows.filter(pk__lte=upto[0])
        return rows

    def _once(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """`rows` without doubles: a join may bring one twice."""
        return rows.distinct() if len(self._rows.query.alias_map) > 1 else rows


def _telling(lock: LockTime) -> Callable[..., Any]:
    """A wrapper of Django's around each statement, that tells `lock` before one that writes. Reading takes no locks."""

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql == "BEGIN":  # SQLite: waits for the lock here, where the statement that follows would count that as held
            result = execute("BEGIN IMMEDIATE", params, many, context)
            lock.taken()
            return result
        if not sql.startswith("SELECT"):
            lock.taken()
        return execute(sql, params, many, context)

    return wrapper
