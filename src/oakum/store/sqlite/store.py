"""The embedded store itself: each verb of the protocol as one transaction on one SQLite file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from oakum.errors import StoreFull
from oakum.model.job import Claimed, JobQuery, JobView, NewJob, State
from oakum.model.lifecycle import Settlement
from oakum.model.outcome import Cancelled, Record, encode_record
from oakum.model.stats import TaskStats
from oakum.store.base import Bell, Count, Holder, Identity, Instant, Mark, Story, Topic, Want
from oakum.store.sqlite import claim, read
from oakum.store.sqlite import settle as settling
from oakum.store.sqlite.ballast import Ballast
from oakum.store.sqlite.bell import Listener
from oakum.store.sqlite.connection import Connection, fetch_all, fetch_one
from oakum.store.sqlite.insert import Inserter
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

_FULL_DISK_STEP: Final = 100  # jobs: what they write fits into the ballast
_CANCELLED: Final = encode_record(Record(0, Cancelled("before it started")))
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_identity: Final = msgspec.msgpack.Decoder(Identity).decode


class SqliteStore:
    """See `oakum.store.base.Store`. `path` is the file; it is made when it is first used, not when this is constructed."""

    def __init__(self, path: str) -> None:
        self._connection = Connection(path)
        self._names = Names(self._connection)
        self._inserter = Inserter(self._connection, self._names)
        self._ballast = Ballast(os.path.join(self._connection.directory, "ballast"))
        self._mine: Listener | None = None
        os.register_at_fork(after_in_child=self._inserter.after_fork)

    @property
    def durability(self) -> str:
        return (
            "SQLite, WAL, synchronous=FULL: nothing acknowledged is lost by SIGKILL or power loss"
            " (claims and renewals may be: they are void after a reboot)"
        )

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        marks = self._inserter.insert(jobs, now)
        self._ring("work")
        return marks

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        with self._connection.write("FULL") as db:
            db.execute(
                "INSERT INTO holder(identity, lease_until, fenced, report) VALUES(?, ?, 0, x'')",
                (_encode(identity), now.boot_ms + lease_ms),
            )
            return db.last_insert_rowid()

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        with self._connection.write("NORMAL") as db:
            db.execute(
                "UPDATE holder SET lease_until = ?, report = ? WHERE number = ? AND fenced = 0",
                (now.boot_ms + lease_ms, report, holder),
            )
            return db.changes() == 1

    def cancelled(self, holder: int) -> Sequence[int]:
        with self._connection.read() as db:
            return [seq for (seq,) in db.execute("SELECT seq FROM ask WHERE holder = ?", (holder,))]

    def holders(self) -> Sequence[Holder]:
        with self._connection.read() as db:
            rows = fetch_all(db, "SELECT number, identity, lease_until, fenced, report FROM holder ORDER BY number")
        return [
            Holder(number, _decode_identity(identity), lease, bool(fenced), report)
            for number, identity, lease, fenced, report in rows
        ]

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        with self._connection.write("FULL") as db:
            db.execute(
                "UPDATE holder SET fenced = 1 WHERE number = ? AND (fenced = 1 OR lease_until = ?)",
                (holder, seen_lease_ms),
            )
            return db.changes() == 1

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        with self._connection.read() as db:
            rows = fetch_all(
                db,
                f"SELECT {claim.COLUMNS} FROM job WHERE state = 1 AND holder = ? ORDER BY seq LIMIT ?",
                (holder, limit),
            )
            return [claim.claimed(db, self._names, row) for row in rows]

    def discharge(self, holder: int) -> bool:
        with self._connection.write("NORMAL") as db:
            if fetch_one(db, "SELECT 1 FROM job WHERE state = 1 AND holder = ?", (holder,)):
                return False
            db.execute("DELETE FROM holder WHERE number = ?", (holder,))
            return True

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        if not self._claimable(now):
            return []
        with self._connection.write("NORMAL") as db:
            if claim.promotable(db, now.wall_ms):
                claim.promote(db, now.wall_ms, limit=1000)
            return claim.claim(db, self._names, want, now)

    def _claimable(self, now: Instant) -> bool:
        """Whether a claim could find anything: a read, so that an idle worker writes nothing."""
        with self._connection.read() as db:
            waiting = fetch_one(db, "SELECT 1 FROM tally WHERE state = 0 AND jobs > 0")
            return waiting is not None or claim.promotable(db, now.wall_ms)

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        if not settlements:
            return []
        following = [job for each in settlements if each.follow for job in each.follow]
        self._names.make({each.queue for each in settlements} | {each.task for each in settlements})
        self._names.make({job.queue for job in following} | {job.task for job in following})
        with self._connection.write("FULL") as db:
            late = settling.settle(db, self._names, settlements, holder, now.wall_ms)
        self._ring("results")
        return late

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        states: dict[bytes, State] = {}
        with self._connection.write("FULL") as db:
            tally = Tally()
            for job_id in ids:
                row = fetch_one(db, "SELECT seq, queue, task, state, holder FROM job WHERE id = ?", (job_id,))
                if row is None:
                    continue
                seq, queue, task, state, holder = row
                if state == State.RUNNING:
                    db.execute("INSERT OR REPLACE INTO ask(seq, holder) VALUES(?, ?)", (seq, holder))
                elif not State(state).terminal:
                    db.execute(
                        "UPDATE job SET state = 5, ended = ?, keep_until = ?, record = ? WHERE seq = ?",
                        (now.wall_ms, now.wall_ms + settling.KEYS_KEPT_MS, _CANCELLED, seq),
                    )
                    settling.ended(db, [seq], now.wall_ms)
                    tally.move(queue, task, state, State.CANCELLED)
                    state = State.CANCELLED
                states[job_id] = State(state)
            tally.save(db)
        self._ring("work")
        self._ring("results")
        return states

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        copies: dict[bytes, NewJob] = {}
        with self._connection.read() as db:
            for old, new in ids.items():
                row = fetch_one(db, "SELECT task, queue, rank, payload, state, meta FROM job WHERE id = ?", (old,))
                if row is None or not State(row[4]).terminal:
                    continue
                overrides, tags, _ = claim.decode_meta(row[5]) if row[5] is not None else (None, (), None)
                copies[old] = NewJob(
                    id=new,
                    task=self._names.text(db, row[0]),
                    payload=row[3],
                    queue=self._names.text(db, row[1]),
                    priority=-row[2],
                    overrides=overrides,
                    tags=tags,
                    parent=old,
                )
        if copies:
            self.insert(list(copies.values()), now)
        return {old: job.id for old, job in copies.items()}

    def promote(self, now: Instant, limit: int = 1000) -> int:
        with self._connection.read() as db:
            if not claim.promotable(db, now.wall_ms):
                return 0
        with self._connection.write("NORMAL") as db:
            return claim.promote(db, now.wall_ms, limit)

    def next_due(self) -> int | None:
        with self._connection.read() as db:
            row = fetch_one(db, "SELECT run_at FROM job WHERE state = 2 ORDER BY run_at LIMIT 1")
            return int(row[0]) if row is not None else None

    def prune(self, now: Instant, limit: int = 1000) -> int:
        try:
            pruned = self._prune(now, limit)
        except StoreFull:
            self._ballast.give_up()
            pruned = self._prune(now, min(limit, _FULL_DISK_STEP))
            with contextlib.suppress(StoreFull), self._connection.read() as db:
                db.execute("PRAGMA wal_checkpoint(RESTART)")  # the next step then writes over this one's part of the log
        else:
            if pruned:
                self._ballast.take()
        return pruned

    def prunable(self, now: Instant, most: int = -1) -> int:
        due = "SELECT count(*) FROM (SELECT 1 FROM job WHERE state > 2 AND keep_until <= ? LIMIT ?)"
        with self._connection.read() as db:
            return int(fetch_one(db, due, (now.wall_ms, most))[0])

    def _prune(self, now: Instant, limit: int) -> int:
        if not self.prunable(now, most=1):
            return 0
        due = "SELECT seq FROM job WHERE state > 2 AND keep_until <= ? LIMIT ?"
        with self._connection.write("NORMAL") as db:
            rows = fetch_all(db, due, (now.wall_ms, limit))
            tally = Tally()
            for table in ("start", "progress", "mark"):
                db.executemany(f"DELETE FROM {table} WHERE seq = ?", rows)
            logs = 0
            for row in rows:
                gone = fetch_all(db, "DELETE FROM job WHERE seq = ? RETURNING queue, task, state", row)
                for queue, task, state in gone:
                    tally.add(queue, task, state, -1)
                texts = fetch_all(db, "DELETE FROM log WHERE seq = ? RETURNING length(text)", row)
                logs += sum(length for (length,) in texts)
            db.execute("UPDATE total SET value = value - ? WHERE name = 'logs'", (logs,))
            tally.save(db)
            return len(rows)

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        with self._connection.write("NORMAL") as db:
            db.executemany(
                "INSERT OR REPLACE INTO progress(seq, note) SELECT seq, ? FROM job WHERE seq = ? AND holder = ? AND state = 1",
                [(note, ref, holder) for ref, note in notes.items()],
            )
        self._ring("results")

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        self._names.make(measured)
        with self._connection.write("NORMAL") as db:
            for task, stats in measured.items():
                number = self._names.number(task)
                row = fetch_one(db, "SELECT stats FROM measured WHERE task = ?", (number,))
                known = TaskStats.decode(row[0]) if row is not None else TaskStats()
                known.merge(stats)
                db.execute("INSERT OR REPLACE INTO measured(task, stats) VALUES(?, ?)", (number, known.encode()))

    def stats(self) -> Mapping[str, TaskStats]:
        with self._connection.read() as db:
            rows = fetch_all(db, "SELECT task, stats FROM measured")
            return {self._names.text(db, task): TaskStats.decode(stats) for task, stats in rows}

    def pause(self, queue: str, paused: bool) -> None:
        self._names.make([queue])
        verb = "INSERT OR IGNORE INTO paused(queue) VALUES(?)" if paused else "DELETE FROM paused WHERE queue = ?"
        with self._connection.write("FULL") as db:
            db.execute(verb, (self._names.number(queue),))
        self._ring("work")

    def paused(self) -> frozenset[str]:
        with self._connection.read() as db:
            rows = fetch_all(db, "SELECT queue FROM paused")
            return frozenset(self._names.text(db, queue) for (queue,) in rows)

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        with self._connection.read() as db:
            row = fetch_one(db, "SELECT state, record FROM job WHERE id = ?", (id,))
            return (State(row[0]), row[1]) if row is not None else None

    def story(self, id: bytes) -> Story | None:
        with self._connection.read() as db:
            return read.story(db, self._names, id)

    def jobs(self, query: JobQuery) -> Sequence[JobView]:
        with self._connection.read() as db:
            return read.jobs(db, self._names, query)

    def counts(self) -> Sequence[Count]:
        with self._connection.read() as db:
            return read.counts(db, self._names)

    def listen(self, topic: Topic) -> Bell:
        listener = self._connection.tower.listen(topic)
        if topic == "work":
            self._mine = listener  # a worker knows of its own changes
        return listener

    def close(self) -> None:
        self._connection.close()

    def _ring(self, topic: Topic) -> None:
        self._connection.tower.ring(topic, but=self._mine.name if self._mine is not None else "")
