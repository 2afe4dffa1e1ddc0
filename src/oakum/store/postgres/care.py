"""The care of the schema: are its counts and indexes right, and what vacuum can give back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from oakum.errors import UsageError
from oakum.model.job import State
from oakum.store.care import Counted, Finding, Look, Room, Step, Survey, Tell, compare, orphans, stuck, whether_open
from oakum.store.postgres import horizon, notice, rules, schema, tally
from oakum.store.postgres.address import read_address
from oakum.store.postgres.connection import Connection, promise, set_up
from oakum.store.postgres.db import Db

_KEPT: Final = f"""
SELECT queue.text, task.text, state, jobs, bytes FROM ({tally.SUM} WHERE state >= 0 GROUP BY queue, task, state) AS kept
    JOIN oakum.name AS queue ON queue.number = queue JOIN oakum.name AS task ON task.number = task
WHERE jobs <> 0 OR bytes <> 0
"""
_FOUND: Final = """
SELECT queue.text, task.text, state, jobs, bytes
FROM (SELECT queue, task, state, count(*) AS jobs, sum(octet_length(payload))::bigint AS bytes
    FROM oakum.job GROUP BY queue, task, state) AS found
    JOIN oakum.name AS queue ON queue.number = queue JOIN oakum.name AS task ON task.number = task
"""
_ORPHANS: Final = """
SELECT count(*) FROM oakum.job WHERE state = 1 AND NOT EXISTS (SELECT 1 FROM oakum.holder WHERE number = holder)
"""
_HELD: Final = """
SELECT text, key, count(*), (SELECT count(*) FROM oakum.job AS mate WHERE placed AND mate.queue = job.queue AND mate.key = job.key)
FROM oakum.job JOIN oakum.name ON number = queue WHERE state = 3 GROUP BY text, queue, key
"""
_INVALID: Final = """
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = $1::regnamespace AND NOT (indisvalid AND indisready) ORDER BY 1
"""
_SERVER: Final = "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('autovacuum')"
_SIZE: Final = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = $1::regnamespace AND relkind = 'r'
"""
_TABLES: Final = "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' ORDER BY relname"


class PostgresCare:
    """See `oakum.store.care.Care`."""

    def __init__(self, url: str, tell: Tell) -> None:
        self._address, self._tell = read_address(url), tell
        self._connection = Connection(self._address)

    def survey(self) -> Survey:
        return self._connection.look(self._survey)

    def _survey(self, db: Db) -> Survey:
        pooled, durable = set_up(db.raw)
        version = schema.version(db, self._address)
        if version:
            shut = notice.read(db)
            if shut is not None:
                raise shut.refusal(self._address.shown)
        return Survey(version, promise(pooled=pooled, durable=durable), (*_server(db), *_held_back(db)))

    def looks(self) -> Iterator[Look]:
        once = self._connection.once
        yield whether_open(once(notice.read))
        yield Look("server", tuple(once(_server)))
        yield Look("snapshots", tuple(once(_held_back)))
        yield Look("indexes", tuple(once(lambda db: _indexes(db, self._address.schema))))
        yield Look("counts", self._at_leisure(lambda db: compare(_counted(db, _KEPT), _counted(db, _FOUND))))
        yield Look("leases", self._at_leisure(_leases))
        yield Look("keys", self._at_leisure(_keys))

    def _at_leisure(self, look: Callable[[Db], Iterator[Finding]]) -> tuple[Finding, ...]:
        """A look at one state of the database, however long it takes."""

        def work(db: Db) -> tuple[Finding, ...]:
            with db.raw.transaction():
                db.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # before all else in it, also behind a pooler
                db.run("SELECT set_config('statement_timeout', '0', true)")
                return tuple(look(db))

        return self._connection.alone(work)

    def compact(self, *, block: bool = False) -> Room:
        before, schema = self._size(), self._address.schema
        self._connection.once(tally.fold)
        if not self._connection.pooled:  # in a session that is not ours, the server's own limit holds and stays
            self._connection.once(lambda db: db.run("SELECT set_config('statement_timeout', '0', false)"))
        tables = [name for (name,) in self._connection.once(lambda db: db.all(_TABLES, (schema,)))]
        verb = "VACUUM (FULL, ANALYZE)" if block else "VACUUM (ANALYZE)"
        for done, table in enumerate(tables):
            self._tell(Step("tables are vacuumed", done, len(tables)))
            self._connection.alone(partial(Db.run, text=f"{verb} oakum.{table}"))
        self._tell(Step("tables are vacuumed", len(tables), len(tables)))
        return Room(before, self._size())

    def backup(self, to: str) -> int:
        address = self._address
        raise UsageError(
            "the server's own tool makes backups of it:"
            f" pg_dump --format=custom --schema={address.schema} --file={to} '{address.shown.partition('?')[0]}'"
        )

    def close(self) -> None:
        self._connection.close()

    def _size(self) -> int:
        return int(self._connection.once(lambda db: db.one(_SIZE, (self._address.schema,)))[0])


def _server(db: Db) -> Iterator[Finding]:
    fsync, pages, vacuum = db.one(_SERVER)
    if fsync != "on" or pages != "on":
        yield Finding(
            f"fsync is {fsync} and full_page_writes is {pages}: a crash of the host can lose or damage all of it",
            "turn both on in postgresql.conf",
        )
    if vacuum != "on":
        yield Finding("autovacuum is off: the tables only grow", "turn it on in postgresql.conf")


def _held_back(db: Db) -> Iterator[Finding]:
    for warning in horizon.warnings(db):
        message, _, remedy = warning.partition("; ")
        yield Finding(message, remedy)


def _indexes(db: Db, schema: str) -> Iterator[Finding]:
    for (name,) in db.all(_INVALID, (schema,)):
        yield Finding(f"the index {name} is not valid and not used", f"REINDEX INDEX CONCURRENTLY {name}")


def _counted(db: Db, query: str) -> Counted:
    return {(queue, task, State(state)): (int(jobs), int(size)) for queue, task, state, jobs, size in db.all(query)}


def _leases(db: Db) -> Iterator[Finding]:
    jobs = db.one(_ORPHANS)[0]
    if jobs:
        yield orphans(jobs)


def _keys(db: Db) -> Iterator[Finding]:
    limits = {name: each.rules.key_limit for name, each in rules.read(db, "queue").items()}
    for queue, key, held, placed in db.all(_HELD):
        if placed < limits.get(queue, 1):
            yield stuck(queue, key, held)
