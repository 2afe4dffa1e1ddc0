"""How the store is carried to another one, and how another is carried here: see `oakum.store.moving`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from psycopg import errors

from oakum.errors import StoreError
from oakum.model.job import ENDED, WAITING, NewJob, State
from oakum.model.lifecycle import KEYS_KEPT_MS
from oakum.store import meta
from oakum.store.base import TOPICS
from oakum.store.kept import Start
from oakum.store.moving import AT_ONCE, BYTES_AT_ONCE, Estate, Kept, Key, Notice, check_arriving
from oakum.store.postgres import estate as estates
from oakum.store.postgres import notice as notices
from oakum.store.postgres import tally
from oakum.store.postgres.bell import channel
from oakum.store.postgres.connection import Connection
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names
from oakum.store.postgres.ring import NOTIFY

# As many as have so many bytes; their sizes are known without their values being read.
_DUMP: Final = """
SELECT seq, uuid_send(id), task, queue, state, rank, run_at, payload, expires_at, meta, key, token, tries, crashes, over,
    suspect, placed, ended, keep_until, record
FROM (
    SELECT *, sum(octet_length(payload) + coalesce(octet_length(record), 0))
        OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (SELECT * FROM oakum.job WHERE id > $1::uuid AND state IN ({}) ORDER BY id LIMIT $2) AS part
) AS weighed WHERE before IS NULL OR before < $3 ORDER BY id
"""
_STATES: Final = {True: ", ".join(map(str, map(int, ENDED))), False: ", ".join(map(str, map(int, WAITING)))}
_RESTORE: Final = """
WITH new AS (
    INSERT INTO oakum.job(seq, id, task, queue, state, rank, run_at, payload, expires_at, meta, key, token, tries, crashes,
        over, suspect, placed, ended, keep_until, record, marked) OVERRIDING SYSTEM VALUE
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bytea[], $9::bigint[], $10::bytea[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
        $16::boolean[], $17::boolean[], $18::bigint[], $19::bigint[], $20::bytea[], $21::boolean[])
    ON CONFLICT (id) DO NOTHING RETURNING id, queue, task, state, octet_length(payload) AS size
), told AS (
    INSERT INTO oakum.delta SELECT queue, task, state, count(*), sum(size) FROM new GROUP BY queue, task, state
)
SELECT uuid_send(id) FROM new
"""
_SEQUENCE: Final = "pg_get_serial_sequence('oakum.job', 'seq')"
_GO_ON: Final = f"""
SELECT setval({_SEQUENCE}, greatest($1, coalesce(pg_sequence_last_value({_SEQUENCE}::regclass), 0)))
"""
_STARTS: Final = """
INSERT INTO oakum.start(seq, token, ended, record)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])
"""
_LOGS: Final = """
INSERT INTO oakum.log(seq, token, text) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
"""
_KEYS: Final = f"""
SELECT mark.key, uuid_send(mark.id), mark.seq, coalesce(mark.until, job.ended + {KEYS_KEPT_MS})
FROM oakum.mark LEFT JOIN oakum.job ON job.id = mark.id WHERE mark.key > $1 AND mark.seq <> 0 ORDER BY mark.key LIMIT $2
"""
_OWN: Final = """
SELECT seq, substr(key, 2) FROM oakum.mark WHERE seq = ANY($1::bigint[]) AND substr(key, 1, 1) = '\\x69'
"""
_GIVE: Final = """
INSERT INTO oakum.mark(key, seq, id, until) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::uuid[], $4::bigint[])
ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, id = excluded.id, until = excluded.until
"""
_FIRST_ID: Final = bytes(16)
_LETTERS: Final = {"unique": b"u", "idempotency": b"i"}
_PRUNED_JOB: Final = -1  # what stands for the seq of one that is kept no more: 0 is a row that is only a lock


class PostgresMoving:
    """See `oakum.store.moving.Moving`."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names

    def notice(self) -> Notice | None:
        return self._connection.once(notices.read)

    def shut(self, notice: Notice | None) -> None:
        def work(db: Db) -> None:
            try:
                notices.write(db, notice)
            except errors.LockNotAvailable as error:
                raise StoreError(
                    f"{self._connection.address.shown}: a transaction that has put a job in stays open; end it"
                    " (pg_stat_activity names it) and try again, nothing was changed"
                ) from error
            for topic in TOPICS:
                db.run(NOTIFY, (channel(self._connection.address.schema, topic),))

        self._connection.write(work)

    def dump(self, *, ended: bool) -> Iterator[Sequence[Kept]]:
        after, query = _FIRST_ID, _DUMP.format(_STATES[ended])
        while batch := self._connection.once(partial(self._batch, query=query, after=after)):
            yield batch
            after = batch[-1].new.id

    def _batch(self, db: Db, query: str, after: bytes) -> list[Kept]:
        rows = db.all(query, (after.hex(), AT_ONCE, BYTES_AT_ONCE))
        seqs = ([row[0] for row in rows],)
        starts: dict[int, list[Start]] = {}
        logs: dict[int, list[tuple[int, bytes]]] = {}
        of = "WHERE seq = ANY($1::bigint[]) ORDER BY seq, token"
        for seq, *start in db.all(f"SELECT seq, token, ended, record FROM oakum.start {of}", seqs):
            starts.setdefault(seq, []).append(Start(*start))
        for seq, token, text in db.all(f"SELECT seq, token, text FROM oakum.log {of}", seqs):
            logs.setdefault(seq, []).append((token, text))
        own: dict[int, bytes] = dict(db.all(_OWN, seqs))
        return [
            self._kept(db, row, own.get(row[0]), tuple(starts.get(row[0], ())), tuple(logs.get(row[0], ())))
            for row in rows
        ]

    def _kept(
        self, db: Db, row: Any, own: bytes | None, starts: tuple[Start, ...], logs: tuple[tuple[int, bytes], ...]
    ) -> Kept:
        (
            seq, job_id, task, queue, state, rank, run_at, payload, expires_at, column, key,
            token, tries, crashes, over, suspect, placed, ended, keep_until, record,
        ) = row  # fmt: skip
        extra = meta.unpack(column)
        job = NewJob(
            job_id, self._names.text(db, task), payload, self._names.text(db, queue), ~rank, run_at, expires_at,
            extra.unique, own, extra.overrides, extra.tags, extra.parent, key,
        )  # fmt: skip
        return Kept(
            seq, job, State(state), token, tries, crashes, over, suspect, placed, ended, keep_until, record, starts, logs
        )  # fmt: skip

    def dump_keys(self) -> Iterator[Sequence[Key]]:
        after = b""
        while rows := self._connection.once(partial(Db.all, text=_KEYS, values=(after, AT_ONCE))):
            after = rows[-1][0]
            yield [
                Key("unique", key[1:], job_id, seq)
                if key[:1] == b"u"
                else Key("idempotency", key[1:], job_id, seq, until)
                for key, job_id, seq, until in rows
            ]

    def estate(self) -> Estate:
        return self._connection.write(lambda db: estates.read(db, self._names))

    def restore(self, jobs: Sequence[Kept]) -> int:
        numbers = self._names.make(name for each in jobs for name in (each.new.task, each.new.queue))

        def work(db: Db) -> int:
            self._check_arriving(db)
            new = {job_id for (job_id,) in db.all(_RESTORE, _columns([_row(each, numbers) for each in jobs]))}
            fresh = [each for each in jobs if each.new.id in new]
            starts = [(job.ref, start.token, start.ended_ms, start.record) for job in fresh for start in job.starts]
            logs = [(job.ref, token, text) for job in fresh for token, text in job.logs]
            if starts:
                db.run(_STARTS, _columns(starts))
            if logs:
                db.run(_LOGS, _columns(logs))
                tally.add(db, tally.NOBODY, tally.NOBODY, tally.LOGS, len(logs), sum(len(text) for _, _, text in logs))
            db.run(_GO_ON, (max(each.ref for each in jobs),))
            return len(fresh)

        added = self._connection.write(work)
        self._connection.once(tally.fold)
        return added

    def restore_keys(self, keys: Sequence[Key]) -> None:
        rows = [
            (_LETTERS[each.kind] + each.key, each.ref or _PRUNED_JOB, each.id.hex(), each.until_ms) for each in keys
        ]

        def work(db: Db) -> None:
            self._check_arriving(db)
            db.run(_GIVE, _columns(rows))

        self._connection.write(work)

    def furnish(self, estate: Estate) -> None:
        numbers = self._names.make(estates.names_in(estate))

        def work(db: Db) -> None:
            self._check_arriving(db)
            estates.furnish(db, estate, numbers)

        self._connection.write(work)

    def _check_arriving(self, db: Db) -> None:
        db.run("LOCK TABLE oakum.job IN ROW EXCLUSIVE MODE")  # as it is now, it stays until the transaction ends
        check_arriving(notices.read(db), self._connection.address.shown)


def _row(each: Kept, numbers: dict[str, int]) -> tuple[Any, ...]:
    job = each.new
    return (
        each.ref, job.id.hex(), numbers[job.task], numbers[job.queue], int(each.state), ~job.priority, job.run_at_ms,
        job.payload, job.expires_ms, meta.pack(job), job.key, each.token, each.tries, each.crashes, each.over,
        each.suspect, each.placed, each.ended_ms, each.keep_until_ms, each.record,
        True if job.unique or job.idempotency else None,
    )  # fmt: skip


def _columns(rows: Sequence[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
