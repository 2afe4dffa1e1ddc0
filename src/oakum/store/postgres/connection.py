"""One process's connection to the server: opened late, opened again after it broke, never used across a fork."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import psycopg
from psycopg import errors

from oakum.errors import StoreAway, StoreError, StoreFull
from oakum.store.group import Undecided
from oakum.store.postgres import schema
from oakum.store.postgres.address import Address
from oakum.store.postgres.db import Db

T = TypeVar("T")

ANSWER_S = 75.0  # more than the server gives a statement: after this the line is half open, and nobody will answer
TRIES: Final = 10  # of a transaction that PostgreSQL broke off for the sake of another
_SESSION: Final = """
SELECT set_config('lock_timeout', '10s', false), set_config('statement_timeout', '60s', false),
    set_config('idle_in_transaction_session_timeout', '60s', false),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, false),
    set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false)
"""
# What a session of ours has for good. Compiling each statement anew would take a hundred times as long as running it.
_TRANSACTION: Final = """
SELECT set_config('jit', 'off', true), set_config('lock_timeout', '10s', true), set_config('statement_timeout', '60s', true)
"""


class Connection:
    """The one connection of this process for all that is not a bell. Closed, it opens again when it is used."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.opened = 0  # how often: what was remembered of one database may not hold in the next
        self._lock = threading.RLock()
        self._db: Db | None = None
        self._pid = 0
        self._durable = True
        self._pooled = False

    @property
    def pooled(self) -> bool:
        """Whether a pooler sits between: then a session is not ours, and nothing can be left in it."""
        with self._lock, self._translated():
            self._ready()
            return self._pooled

    @property
    def durable(self) -> bool:
        """Whether the server writes a commit to its disk before it acknowledges it."""
        with self._lock, self._translated():
            self._ready()
            return self._durable

    @property
    def backend(self) -> int:
        """The server's process that serves this connection, 0 where there is none."""
        db = self._db
        return 0 if db is None else db.raw.info.backend_pid

    def once(self, work: Callable[[Db], T]) -> T:
        """`work` whose every statement is a transaction of its own: for reads, and for verbs of one statement.

        Behind a pooler it is one transaction, since only there something can be set.
        """
        return self._run(work, lambda db: self._transaction(db) if self._pooled else contextlib.nullcontext())

    def alone(self, work: Callable[[Db], T]) -> T:
        """`work` whose statements must not be in a transaction."""
        return self._run(work, contextlib.nullcontext)

    def write(self, work: Callable[[Db], T]) -> T:
        """`work` as one transaction. It may be called again, when the server broke it off for the sake of another one.

        Raises Undecided when the line broke, and perhaps in the commit.
        """
        return self._run(work, self._transaction)

    def exists(self) -> bool:
        """Whether there is a store. Makes none."""
        with self._lock:
            if self._db is not None:
                return True
        return self.look(lambda db: schema.version(db, self.address) is not None)

    def look(self, work: Callable[[Db], T]) -> T:
        """`work` on a connection of its own, for which no store is made, or brought to the present version."""
        with self._lock, self._translated(), connect(self.address) as raw:
            return work(Db(raw, self.address.schema))

    def _run(self, work: Callable[[Db], T], frame: Callable[[Db], contextlib.AbstractContextManager[Any]]) -> T:
        for last in (*(False,) * (TRIES - 1), True):
            with self._lock, self._translated():
                db = self._ready()
                try:
                    with frame(db):
                        return work(db)
                except (errors.DeadlockDetected, errors.SerializationFailure):
                    if last:
                        raise
        raise AssertionError

    @contextlib.contextmanager
    def _transaction(self, db: Db) -> Iterator[None]:
        with db.raw.transaction():
            if self._pooled:
                db.run(_TRANSACTION)
            yield

    def before_fork(self) -> None:
        """Lets what is under way come to its end, and nothing else begin, until `after_fork`."""
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Goes on; a child leaves its parent's connection alone and makes one of its own."""
        if child:
            self._db = None  # psycopg closes only what its own process has opened
        self._lock.release()

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            if self._db is not None:
                self._db.raw.close()
                self._db = None

    def _ready(self) -> Db:
        if self._db is None:
            self._db = self._open()
        elif self._pid != os.getpid():
            raise StoreError(
                f"{self.address.shown}: this process was forked, not by Python, while the store was open;"
                " close it before the fork"
            )
        return self._db

    def _open(self) -> Db:
        raw = connect(self.address)
        try:
            self._pooled, self._durable = set_up(raw)
            db = Db(raw, self.address.schema)
            schema.prepare(db, self.address)
        except BaseException:
            raw.close()
            raise
        self._pid = os.getpid()
        self.opened += 1
        return db

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """PostgreSQL's errors in Oakum's words: what, where, the remedy."""
        shown = self.address.shown
        try:
            yield
        except psycopg.Error as error:
            what = first_line(error)
            if self._db is not None and self._db.raw.closed:
                self.close()
                raise Undecided(f"{shown}: the connection broke ({what}); the next call opens a new one") from error
            if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
                raise StoreFull(
                    f"{shown}: the server has no room ({what}); free some there, nothing was lost"
                ) from error
            if isinstance(error, (errors.UndefinedTable, errors.InvalidSchemaName, errors.ReadOnlySqlTransaction)):
                self.close()  # the tables have gone, or this server is now a replica: the next call looks anew
            if isinstance(error, errors.InsufficientPrivilege):
                raise StoreError(
                    f"{shown}: {what}; the user needs CREATE on the database once, and then to own the schema"
                ) from error
            if isinstance(error, psycopg.OperationalError) and self._db is None:
                raise StoreAway(f"{shown}: cannot reach the server ({what}); check the address") from error
            raise StoreError(f"{shown}: {type(error).__name__}: {what}") from error


class Line(psycopg.Connection[Any]):
    """A connection that waits for no answer for ever, and may be let go of without being closed: whoever has an application
    does not close it.
    """

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's. Without a `timeout` of the caller's, a line that says nothing for ANSWER_S is taken for broken."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ANSWER_S)
        except errors._WaitTimeout as error:  # noqa: SLF001  # psycopg has no other name for it
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {ANSWER_S:g} s") from error

    def __del__(self, *_: Any) -> None:
        """Says nothing of it."""


def connect(address: Address) -> Line:
    """A new connection of this process, with autocommit."""
    return Line.connect(address.conninfo, autocommit=True)


def set_up(raw: psycopg.Connection[Any]) -> tuple[bool, bool]:
    """Gives a new connection what ours have, where that is possible: is it a pooler's, and are its commits on a disk."""
    pooled = is_pooled(raw)
    if pooled:
        raw.prepare_threshold = None
    else:
        raw.execute(_SESSION)
    durable = raw.execute("SELECT current_setting('synchronous_commit') <> 'off' AND current_setting('fsync') = 'on'")
    return pooled, durable.fetchone() == (True,)


def promise(*, pooled: bool, durable: bool) -> str:
    """What survives, in one line."""
    safe = "nothing acknowledged is lost by SIGKILL or power loss"
    loss = "synchronous_commit or fsync is off on this server: a crash of it loses what was acknowledged just before"
    poll = "; behind a pooler, where nobody can LISTEN: workers poll" if pooled else ""
    return f"PostgreSQL: {safe if durable else loss}{poll}"


def is_pooled(raw: psycopg.Connection[Any]) -> bool:
    """Whether another program answers for the server: it tells us a process of its own invention."""
    return raw.execute("SELECT pg_backend_pid()").fetchone() != (raw.info.backend_pid,)


def first_line(error: Exception) -> str:
    """What PostgreSQL says, without the lines that tell where in the statement."""
    return str(error).strip().partition("\n")[0]
