"""Writing what became of jobs: of started ones fenced by (sequence, token, holder), a whole batch in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from oakum.model.job import State
from oakum.model.lifecycle import CANCELLED, NOT_AGAIN, STARTS_KEPT, Settlement
from oakum.store.sqlite import keys, marks
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.ending import COLUMNS, end_waiting
from oakum.store.sqlite.insert import write_jobs
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

LOGS_KEPT_BYTES: Final = 64 * 1024 * 1024

_FENCE: Final = "WHERE seq = ? AND token = ? AND holder = ? AND state = 1"
_END: Final = f"""
UPDATE job SET state = ?, holder = NULL, ended = ?, keep_until = ?, tries = ?, crashes = ?, over = ?, suspect = 0,
    record = ?, placed = NULL {_FENCE}
"""
_REQUEUE: Final = f"""
UPDATE job SET state = ?, holder = NULL, run_at = coalesce(nullif(?, 0), run_at), tries = ?, crashes = ?, over = ?,
    suspect = ?, record = ? {_FENCE}
"""


def settle(db: Database, names: Names, settlements: Sequence[Settlement], holder: int, now_ms: int) -> list[int]:
    """See `oakum.store.base.Store.settle`; the caller is in a write transaction, and all names have numbers."""
    late = _write(db, settlements, holder)
    if late:
        skipped = set(late)
        settlements = [each for place, each in enumerate(settlements) if place not in skipped]
    tally = Tally()
    moved: dict[tuple[str, str, State], tuple[int, int]] = {}
    for each in settlements:
        jobs, size = moved.get((each.queue, each.task, each.state), (0, 0))
        moved[each.queue, each.task, each.state] = jobs + 1, size + each.size
    for (queue, task, state), (jobs, size) in moved.items():
        tally.move(names.number(queue), names.number(task), State.RUNNING, state, jobs, size)
    _keep_stories(db, settlements, now_ms)
    _clear(db, names, settlements, now_ms, tally)
    ended = {(names.number(each.queue), each.key) for each in settlements if each.key is not None and each.ended_ms}
    keys.pass_on(db, names, ended, now_ms, tally)
    following = [job for each in settlements if each.follow for job in each.follow]
    if following:
        write_jobs(db, names, following, now_ms, tally)
    tally.save(db)
    return late


def _write(db: Database, settlements: Sequence[Settlement], holder: int) -> list[int]:
    """Writes the next states; answers the places of those that came too late."""
    db.execute("SAVEPOINT batch")  # nearly always nobody is late, and two statements do it
    before = db.total_changes()
    db.executemany(_END, [_end_row(each, holder) for each in settlements if each.ended_ms is not None])
    db.executemany(_REQUEUE, [_requeue_row(each, holder) for each in settlements if each.ended_ms is None])
    if db.total_changes() - before == len(settlements):
        return []
    db.execute("ROLLBACK TO batch")
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


def cancel(db: Database, names: Names, ids: Sequence[bytes], now_ms: int) -> dict[bytes, State]:
    """See `oakum.store.base.Store.cancel`; the caller is in a write transaction."""
    states: dict[bytes, State] = {}
    tally = Tally()
    for job_id in ids:
        row = fetch_one(db, f"SELECT {COLUMNS}, holder FROM job WHERE id = ?", (job_id,))
        if row is None:
            continue
        state = State(row[3])
        if state is State.RUNNING:
            db.execute("INSERT OR IGNORE INTO ask(seq, holder) VALUES(?, ?)", (row[0], row[6]))
        elif not state.terminal:
            end_waiting(db, names, [row[:6]], CANCELLED, now_ms, tally)
            state = State.CANCELLED
        states[job_id] = state
    tally.save(db)
    return states


def _clear(db: Database, names: Names, settlements: Sequence[Settlement], now_ms: int, tally: Tally) -> None:
    """Takes away what belongs to a start, or to a living job. These tables are empty as a rule, and then this is cheap."""
    marked, asks, notes = fetch_one(
        db, "SELECT EXISTS(SELECT 1 FROM mark), EXISTS(SELECT 1 FROM ask), EXISTS(SELECT 1 FROM progress)"
    )
    if marked:
        marks.release(db, [each.ref for each in settlements if each.ended_ms is not None], now_ms)
    if notes:
        db.executemany("DELETE FROM progress WHERE seq = ?", [(each.ref,) for each in settlements])
    if asks:
        for each in settlements:
            asked = fetch_all(db, "DELETE FROM ask WHERE seq = ? RETURNING seq", (each.ref,))
            if asked and each.ended_ms is None:
                place = names.number(each.queue), names.number(each.task)
                end_waiting(db, names, [(each.ref, *place, each.state, each.size, each.key)], NOT_AGAIN, now_ms, tally)


def _keep_stories(db: Database, settlements: Sequence[Settlement], now_ms: int) -> None:
    stories = [each for each in settlements if each.story]
    db.executemany(
        "INSERT INTO start(seq, token, ended, record) VALUES(?, ?, ?, ?)",
        [(each.ref, each.token, now_ms, each.record) for each in stories],
    )
    logs = [(each.ref, each.token, each.log) for each in settlements if each.log]
    db.executemany("INSERT INTO log(seq, token, text) VALUES(?, ?, ?)", logs)
    size = sum(len(text) for _, _, text in logs)
    for each in settlements:
        if each.token > STARTS_KEPT:
            db.execute("DELETE FROM start WHERE seq = ? AND token <= ?", (each.ref, each.token - STARTS_KEPT))
            size -= drop_logs(db, "seq = ? AND token <= ?", (each.ref, each.token - STARTS_KEPT))
    if size:
        _bound_logs(db, size)


def drop_logs(db: Database, condition: str, values: Sequence[Any]) -> int:
    """Deletes logs; how many bytes they had. The caller sees to the total."""
    return sum(size for (size,) in db.execute(f"DELETE FROM log WHERE {condition} RETURNING length(text)", values))


def _bound_logs(db: Database, added: int) -> None:
    """Lets go of the oldest logs once all of them together pass the bound."""
    size = add_to_total(db, added)
    while size > LOGS_KEPT_BYTES:
        oldest = "(seq, token) IN (SELECT seq, token FROM log ORDER BY seq, token LIMIT 100)"
        size = add_to_total(db, -(drop_logs(db, oldest, ()) or size))  # a total of what is not there starts anew


def add_to_total(db: Database, added: int) -> int:
    """Counts bytes of logs; how many there are now."""
    return int(
        fetch_one(
            db,
            "INSERT INTO total(name, value) VALUES('logs', ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
            " RETURNING value",
            (added,),
        )[0]
    )
