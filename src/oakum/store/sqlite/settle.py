"""Writing what became of started jobs: fenced by (sequence, token, holder), a whole batch in one statement."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import apsw

from oakum.model.job import State
from oakum.model.lifecycle import Settlement
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.insert import write_jobs
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

KEYS_KEPT_MS: Final = 86_400_000  # an idempotency key outlives its job by a day
STARTS_KEPT: Final = 20
LOGS_KEPT_BYTES: Final = 64 * 1024 * 1024

_FENCE: Final = "WHERE seq = ? AND token = ? AND holder = ? AND state = 1"
_END: Final = f"""
UPDATE job SET state = ?, holder = NULL, ended = ?, keep_until = ?, tries = ?, crashes = ?, over = ?, suspect = 0,
    record = ? {_FENCE}
"""
_REQUEUE: Final = f"""
UPDATE job SET state = ?, holder = NULL, run_at = coalesce(nullif(?, 0), run_at), tries = ?, crashes = ?, over = ?,
    suspect = ?, record = ? {_FENCE}
"""


def settle(db: apsw.Connection, names: Names, settlements: Sequence[Settlement], holder: int, now_ms: int) -> list[int]:
    """See `oakum.store.base.Store.settle`; the caller is in a write transaction."""
    late = _write(db, settlements, holder)
    if late:
        skipped = set(late)
        settlements = [each for place, each in enumerate(settlements) if place not in skipped]
    tally = Tally()
    for each in settlements:
        tally.move(names.number(each.queue), names.number(each.task), State.RUNNING, each.state)
    tally.save(db)
    ended(db, [each.ref for each in settlements if each.ended_ms is not None], now_ms)
    _keep_stories(db, settlements, now_ms)
    _insert_following(db, names, settlements, now_ms)
    return late


class _SomeLateError(Exception):
    """Not every settlement found its job."""


def _write(db: apsw.Connection, settlements: Sequence[Settlement], holder: int) -> list[int]:
    """Writes the next states; answers the places of those that came too late."""
    with contextlib.suppress(_SomeLateError):
        with db:  # a savepoint: nearly always nobody is late, and two statements do it
            before = db.total_changes()
            db.executemany(_END, [_end_row(each, holder) for each in settlements if each.ended_ms is not None])
            db.executemany(_REQUEUE, [_requeue_row(each, holder) for each in settlements if each.ended_ms is None])
            if db.total_changes() - before != len(settlements):
                raise _SomeLateError
        return []
    late: list[int] = []
    for place, each in enumerate(settlements):
        if each.ended_ms is not None:
            db.execute(_END, _end_row(each, holder))
        else:
            db.execute(_REQUEUE, _requeue_row(each, holder))
        if not db.changes():
            late.append(place)
    return late


def _end_row(each: Settlement, holder: int) -> tuple[Any, ...]:
    return (
        each.state, each.ended_ms, each.keep_until_ms, each.tries, each.crashes, each.over, each.record,
        each.ref, each.token, holder,
    )  # fmt: skip


def _requeue_row(each: Settlement, holder: int) -> tuple[Any, ...]:
    return (
        each.state, each.run_at_ms, each.tries, each.crashes, each.over, each.suspect, each.record,
        each.ref, each.token, holder,
    )  # fmt: skip


def ended(db: apsw.Connection, seqs: Sequence[int], now_ms: int) -> None:
    """Takes away what belongs to jobs only while they live; the tables are empty as a rule, and then this is cheap."""
    if not seqs:
        return
    some = fetch_one(db, "SELECT EXISTS(SELECT 1 FROM mark), EXISTS(SELECT 1 FROM ask), EXISTS(SELECT 1 FROM progress)")
    marks, asks, notes = some
    rows = [(seq,) for seq in seqs]
    if marks:
        db.executemany("DELETE FROM mark WHERE seq = ? AND substr(key, 1, 1) = x'75'", rows)  # 'u': unique while alive
        db.executemany("UPDATE mark SET until = ? WHERE seq = ?", [(now_ms + KEYS_KEPT_MS, seq) for seq in seqs])
    if asks:
        db.executemany("DELETE FROM ask WHERE seq = ?", rows)
    if notes:
        db.executemany("DELETE FROM progress WHERE seq = ?", rows)


def _insert_following(db: apsw.Connection, names: Names, settlements: Sequence[Settlement], now_ms: int) -> None:
    following = [job for each in settlements if each.follow for job in each.follow]
    if following:
        tally = Tally()
        write_jobs(db, names, following, now_ms, tally)
        tally.save(db)


def _keep_stories(db: apsw.Connection, settlements: Sequence[Settlement], now_ms: int) -> None:
    stories = [each for each in settlements if each.story]
    db.executemany(
        "INSERT OR REPLACE INTO start(seq, token, ended, record) VALUES(?, ?, ?, ?)",
        [(each.ref, each.token, now_ms, each.record) for each in stories],
    )
    db.executemany(
        "DELETE FROM start WHERE seq = ? AND token <= ?",
        [(each.ref, each.token - STARTS_KEPT) for each in stories if each.token > STARTS_KEPT],
    )
    logs = [(each.ref, each.token, each.log) for each in settlements if each.log]
    if logs:
        db.executemany("INSERT OR REPLACE INTO log(seq, token, text) VALUES(?, ?, ?)", logs)
        _bound_logs(db, sum(len(text) for _, _, text in logs))


def _bound_logs(db: apsw.Connection, added: int) -> None:
    """Lets go of the oldest logs once all of them together pass the bound."""
    db.execute(
        "INSERT INTO total(name, value) VALUES('logs', ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (added,),
    )
    size = int(fetch_one(db, "SELECT value FROM total WHERE name = 'logs'")[0])
    while size > LOGS_KEPT_BYTES:
        gone = fetch_all(
            db,
            "DELETE FROM log WHERE (seq, token) IN (SELECT seq, token FROM log ORDER BY seq, token LIMIT 100)"
            " RETURNING length(text)",
        )
        if not gone:
            size = 0
        size -= sum(length for (length,) in gone)
        db.execute("UPDATE total SET value = ? WHERE name = 'logs'", (max(0, size),))
