"""How the file is carried to another store, and how another is carried into a file: see `oakum.store.moving`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from oakum.errors import StoreError
from oakum.model.bounds import KINDS
from oakum.model.job import ENDED, WAITING, NewJob, State
from oakum.store import meta
from oakum.store.base import TOPICS
from oakum.store.kept import Scheduled, Start
from oakum.store.moving import AT_ONCE, NOTICE, Estate, Kept, Key, Notice, Spent, check_arriving, first_batch
from oakum.store.sqlite import bounds, rules
from oakum.store.sqlite import notice as notices
from oakum.store.sqlite.connection import Connection, fetch_all
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.settle import add_to_total
from oakum.store.sqlite.tally import Tally

_COLUMNS: Final = (
    "seq, id, task, queue, state, rank, run_at, payload, expires_at, meta, key,"
    " token, tries, crashes, over, suspect, placed, ended, keep_until, record"
)
_DUMP: Final = f"SELECT {_COLUMNS} FROM job INDEXED BY job_id WHERE id > ? AND state IN ({{}}) ORDER BY id"
_STATES: Final = {True: ", ".join(map(str, map(int, ENDED))), False: ", ".join(map(str, map(int, WAITING)))}
_RESTORE: Final = f"INSERT INTO job({_COLUMNS}) VALUES({', '.join('?' * 20)}) ON CONFLICT(id) DO NOTHING"
_STARTS: Final = "SELECT seq, token, ended, record FROM start WHERE seq IN ({}) ORDER BY seq, token"
_LOGS: Final = "SELECT seq, token, text FROM log WHERE seq IN ({}) ORDER BY seq, token"
_KEYS: Final = "SELECT key, id, seq, until FROM mark WHERE key > ? ORDER BY key LIMIT ?"
_OWN: Final = "SELECT seq, substr(key, 2) FROM mark WHERE seq IN ({}) AND substr(key, 1, 1) = x'69'"  # b"i"
_LETTERS: Final = {"unique": b"u", "idempotency": b"i"}


class SqliteMoving:
    """See `oakum.store.moving.Moving`."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names

    def notice(self) -> Notice | None:
        with self._connection.read() as db:
            return notices.read(db)

    def shut(self, notice: Notice | None) -> None:
        with self._connection.write("FULL") as db:
            notices.write(db, notice)
        with suppress(StoreError):  # whoever sleeps is to hear of it; who does not, looks by himself
            for topic in TOPICS:
                self._connection.tower.ring(topic)

    def dump(self, *, ended: bool) -> Iterator[Sequence[Kept]]:
        after, query = b"", _DUMP.format(_STATES[ended])
        while batch := self._batch(query, after):
            yield batch
            after = batch[-1].new.id

    def _batch(self, query: str, after: bytes) -> list[Kept]:
        with self._connection.read() as db:
            return self._kept(db, first_batch(db.execute(query, (after,)), _weigh))

    def _kept(self, db: Database, rows: Sequence[Any]) -> list[Kept]:
        seqs = [row[0] for row in rows]
        starts: dict[int, list[Start]] = {}
        logs: dict[int, list[tuple[int, bytes]]] = {}
        for seq, *start in _of(db, _STARTS, seqs):
            starts.setdefault(seq, []).append(Start(*start))
        for seq, token, text in _of(db, _LOGS, seqs):
            logs.setdefault(seq, []).append((token, text))
        own: dict[int, bytes] = dict(_of(db, _OWN, seqs))
        found: list[Kept] = []
        for (
            seq, job_id, task, queue, state, rank, run_at, payload, expires_at, column, key,
            token, tries, crashes, over, suspect, placed, ended, keep_until, record,
        ) in rows:  # fmt: skip
            extra = meta.unpack(column)
            job = NewJob(
                job_id, self._names.text(db, task), payload, self._names.text(db, queue), -rank, run_at, expires_at,
                extra.unique, own.get(seq), extra.overrides, extra.tags, extra.parent, key,
            )  # fmt: skip
            kept = Kept(
                seq, job, State(state), token, tries, crashes, over, bool(suspect),
                None if placed is None else bool(placed), ended, keep_until, record,
                tuple(starts.get(seq, ())), tuple(logs.get(seq, ())),
            )  # fmt: skip
            found.append(kept)
        return found

    def dump_keys(self) -> Iterator[Sequence[Key]]:
        after = b""
        while True:
            with self._connection.read() as db:
                rows = fetch_all(db, _KEYS, (after, AT_ONCE))
            if not rows:
                return
            after = rows[-1][0]
            yield [
                Key("unique" if key[:1] == b"u" else "idempotency", key[1:], job_id, seq, until)
                for key, job_id, seq, until in rows
            ]

    def estate(self) -> Estate:
        with self._connection.read() as db:
            text = self._names.text
            rates = fetch_all(db, "SELECT kind, name, arrival FROM rule WHERE arrival > 0")
            lines = fetch_all(db, "SELECT queue, key, arrival FROM line")
            memos = fetch_all(db, "SELECT name, value FROM memo WHERE name <> ?", (NOTICE,))
            return Estate(
                rules={kind: rules.read(db, kind) for kind in KINDS},
                spent=(
                    *(Spent(kind, name, None, arrival) for kind, name, arrival in rates),
                    *(Spent("queue", text(db, queue), key, arrival) for queue, key, arrival in lines),
                ),
                schedules=tuple(
                    Scheduled(*row) for row in fetch_all(db, "SELECT name, version, next, spec, state FROM schedule")
                ),
                memos=dict(memos),
                stats={text(db, task): stats for task, stats in fetch_all(db, "SELECT task, stats FROM measured")},
                paused=frozenset(text(db, queue) for (queue,) in fetch_all(db, "SELECT queue FROM paused")),
                gone={(text(db, q), text(db, t)): jobs for q, t, jobs in fetch_all(db, "SELECT * FROM gone")},
            )

    def restore(self, jobs: Sequence[Kept]) -> int:
        self._names.make({name for each in jobs for name in (each.new.task, each.new.queue)})
        tally, logs, new = Tally(), 0, 0
        with self._connection.write("NORMAL") as db:
            check_arriving(notices.read(db), self._connection.path)
            for each in jobs:
                db.execute(_RESTORE, self._row(each))
                if not db.changes():
                    continue
                new += 1
                logs += _restore_story(db, each)
                queue, task = self._names.number(each.new.queue), self._names.number(each.new.task)
                tally.add(queue, task, each.state, 1, len(each.new.payload))
            tally.save(db)
            if logs:
                add_to_total(db, logs)
        return new

    def _row(self, each: Kept) -> tuple[Any, ...]:
        job = each.new
        return (
            each.ref, job.id, self._names.number(job.task), self._names.number(job.queue), each.state, -job.priority,
            job.run_at_ms, job.payload, job.expires_ms, meta.pack(job), job.key, each.token, each.tries, each.crashes,
            each.over, each.suspect, each.placed, each.ended_ms, each.keep_until_ms, each.record,
        )  # fmt: skip

    def restore_keys(self, keys: Sequence[Key]) -> None:
        with self._connection.write("NORMAL") as db:
            check_arriving(notices.read(db), self._connection.path)
            db.executemany(
                "INSERT OR REPLACE INTO mark(key, seq, id, until) VALUES(?, ?, ?, ?)",
                [(_LETTERS[each.kind] + each.key, each.ref, each.id, each.until_ms) for each in keys],
            )

    def furnish(self, estate: Estate) -> None:
        self._names.make(_names_in(estate))
        number = self._names.number
        with self._connection.write("FULL") as db:
            check_arriving(notices.read(db), self._connection.path)
            for kind, ruled in estate.rules.items():
                rules.declare(db, kind, {name: each.declared for name, each in ruled.items()})
                for name, each in ruled.items():
                    rules.override(db, kind, name, each.override)
                    if kind == "queue" and bounds.keeps_ages(each.rules):
                        bounds.keep_ages(db, number(name))
            for spent in estate.spent:
                if spent.key is None:
                    rules.arrived(db, spent.kind, spent.name, spent.arrival_ms)
            lines = [(number(each.name), each.key, each.arrival_ms) for each in estate.spent if each.key is not None]
            for table in ("line", "schedule", "paused", "gone"):
                db.execute(f"DELETE FROM {table}")
            db.executemany("INSERT INTO line VALUES(?, ?, ?)", lines)
            db.executemany("INSERT INTO schedule(name, version, next, spec, state) VALUES(?, ?, ?, ?, ?)", [
                (each.name, each.version, each.next_ms, each.spec, each.state) for each in estate.schedules
            ])  # fmt: skip
            db.executemany("INSERT OR REPLACE INTO memo VALUES(?, ?)", estate.memos.items())
            db.executemany("INSERT OR REPLACE INTO measured VALUES(?, ?)", [
                (number(task), stats) for task, stats in estate.stats.items()
            ])  # fmt: skip
            db.executemany("INSERT INTO paused VALUES(?)", [(number(queue),) for queue in estate.paused])
            db.executemany("INSERT INTO gone VALUES(?, ?, ?)", [
                (number(queue), number(task), jobs) for (queue, task), jobs in estate.gone.items()
            ])  # fmt: skip


def _restore_story(db: Database, each: Kept) -> int:
    """Puts the earlier starts and the logs of a job in; the bytes of the logs."""
    starts = [(each.ref, start.token, start.ended_ms, start.record) for start in each.starts]
    db.executemany("INSERT INTO start(seq, token, ended, record) VALUES(?, ?, ?, ?)", starts)
    logs = [(each.ref, token, text) for token, text in each.logs]
    db.executemany("INSERT INTO log(seq, token, text) VALUES(?, ?, ?)", logs)
    return sum(len(text) for _, _, text in logs)


def _names_in(estate: Estate) -> Iterable[str]:
    yield from estate.rules.get("queue", ())
    yield from (each.name for each in estate.spent)
    yield from estate.stats
    yield from estate.paused
    for pair in estate.gone:
        yield from pair


def _weigh(row: Any) -> int:
    return len(row[7]) + len(row[19] or b"")


def _of(db: Database, query: str, seqs: Sequence[int]) -> list[Any]:
    """Rows that belong to some jobs."""
    return fetch_all(db, query.format(", ".join("?" * len(seqs))), seqs)
