"""The rows of a SQLAlchemy table or select, deleted in ranges of the primary key."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from oakum.errors import UsageError
from oakum.purge.checkpoint import Checkpoints, through
from oakum.purge.lock import LockTime
from oakum.purge.position import Key, common
from oakum.purge.trouble import no_driver

try:
    import sqlalchemy as sa
    from sqlalchemy.orm import Mapper, RelationshipDirection, Session
except ImportError as error:
    raise no_driver("sqlalchemy", "sqlalchemy") from error

Compare = Callable[[Any, Any], Any]

_LOADED_BY_BATCH: Final = 1_000  # mapped objects that a batch brings into memory


class AlchemyRows:
    """The rows of `what`: a Table, a mapped class, or a `select` of one of them with conditions.

    A mapped class whose deletion means more than the database's DELETE (cascades, events, joined tables) is loaded and
    goes through a Session, a batch at a time; `reasons` says why.
    """

    def __init__(self, connection: sa.Connection, what: Any) -> None:
        statement = what if isinstance(what, sa.Select) else sa.select(what)
        self._entity: Any = statement.column_descriptions[0].get("entity") or statement.get_final_froms()[0]
        self._where = sa.true() if statement.whereclause is None else statement.whereclause
        if not sa.select(self._entity).where(*statement._where_criteria).compare(statement.order_by(None)):  # noqa: SLF001
            raise UsageError("select one table or mapped class, with where() alone; turn a join into a condition")
        mapper: Mapper[Any] | None = sa.inspect(self._entity) if isinstance(self._entity, type) else None
        self.reasons = tuple(_beyond_sql(mapper)) if mapper else ()
        self.loads = bool(self.reasons)
        self._columns = mapper.primary_key if mapper else tuple(self._entity.primary_key)
        self.key = tuple(column.name for column in self._columns)
        if not self.key:
            raise UsageError(f"table {self._entity} has no primary key to walk along; declare one in the Table")
        self.label = f"{self._columns[0].table} of {connection.engine.url.database}"
        self._connection = connection
        self.shuts_out = connection.dialect.name == "sqlite"
        self._checkpoints = Checkpoints(through(connection.connection.cursor)) if self._begins_by_hand() else None
        if connection.dialect.name in {"mysql", "mariadb"}:  # locks the rows that go, not the gaps between them
            connection.execution_options(isolation_level="READ COMMITTED")

    def count(self) -> int:
        with self._transaction():
            return self._connection.scalar(sa.select(sa.func.count()).select_from(self._entity).where(self._where)) or 0

    def has_others(self) -> bool:
        newest_first = [column.desc() for column in self._columns]
        others = sa.or_(sa.not_(self._where), self._where.is_(None))
        statement = sa.select(*self._columns).select_from(self._entity).where(others).order_by(*newest_first).limit(1)
        with self._transaction():
            return self._connection.execute(statement).first() is not None

    def upto(self, after: Key | None, until: Key | None, size: int) -> Key | None:
        size = min(size, _LOADED_BY_BATCH) if self.reasons else size
        keys = sa.select(*self._columns).select_from(self._entity).where(*self._within(after, until))
        batch = keys.order_by(*self._columns).limit(size).subquery()
        with self._transaction():
            last = self._connection.execute(
                sa.select(batch).order_by(*[column.desc() for column in batch.c]).limit(1)
            ).first()
        return tuple(last) if last else None

    def delete(self, after: Key | None, upto: Key, lock: LockTime) -> int:
        within = self._within(after, upto)
        with self._transaction():
            if self._begins_by_hand():  # waits for the lock, which the statement that follows would count as held
                self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            lock.taken()
            rows = self._delete_objects(within) if self.reasons else self._delete_rows(within)
        lock.given_back()
        if self._checkpoints:
            self._checkpoints.after(lock.seconds)
        return rows

    def close(self) -> None:
        """Leaves the connection as it was; one that SQLAlchemy has thrown away, in a cancelled statement, needs nothing."""
        if self._checkpoints and not self._connection.invalidated:
            self._checkpoints.close()

    def _begins_by_hand(self) -> bool:
        """Whether this is SQLite, its driver in no transaction, and ends one that a statement has begun."""
        driver: Any = self._connection.connection.driver_connection
        return self.shuts_out and not driver.in_transaction and getattr(driver, "autocommit", None) is not True

    def _delete_rows(self, within: list[sa.ColumnElement[bool]]) -> int:
        return self._connection.execute(sa.delete(self._entity).where(*within)).rowcount

    def _delete_objects(self, within: list[sa.ColumnElement[bool]]) -> int:
        with Session(self._connection) as session:
            objects = session.scalars(sa.select(self._entity).where(*within).with_for_update()).all()
            for one in objects:
                session.delete(one)
            session.flush()
            return len(objects)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connection.begin():
            if self._connection.dialect.name == "postgresql":
                self._connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            yield

    def _within(self, after: Key | None, upto: Key | None) -> list[sa.ColumnElement[bool]]:
        same = common(after, upto)  # asked for as equal: among many rows that share it only the range itself is read
        parts = [self._where, *(column == value for column, value in zip(self._columns, same, strict=False))]
        if after is not None:
            parts.append(self._beyond(after, len(same), operator.gt, operator.ge, operator.gt))
        if upto is not None:
            parts.append(self._beyond(upto, len(same), operator.lt, operator.le, operator.le))
        return parts

    def _beyond(self, key: Key, same: int, strict: Compare, loose: Compare, last: Compare) -> sa.ColumnElement[bool]:
        """Rows on one side of `key` among those that have its first `same` values; `last` compares the last column.

        In a form for which every database uses an index.
        """
        *pairs, (column, value) = list(zip(self._columns, key, strict=True))[same:]
        found: sa.ColumnElement[bool] = last(column, value)
        for column, value in reversed(pairs):
            found = sa.and_(loose(column, value), sa.or_(strict(column, value), found))
        return found


def _beyond_sql(mapper: Mapper[Any]) -> Iterator[str]:
    """What a Session does when it deletes an object of this mapper that a bare DELETE would leave out."""
    if mapper.inherits or len(mapper.tables) > 1:
        yield f"{mapper.class_.__name__} is mapped with inheritance"
    if mapper.dispatch.before_delete or mapper.dispatch.after_delete:
        yield f"{mapper.class_.__name__} has delete events"
    for relation in mapper.relationships:
        owns = relation.secondary is not None or relation.direction is RelationshipDirection.ONETOMANY
        if not relation.viewonly and not relation.passive_deletes and (owns or relation.cascade.delete):
            yield f"{relation} cascades"
