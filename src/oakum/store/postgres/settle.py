"""Writing what became of jobs: of started ones fenced by (sequence, token, holder), a whole batch in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from oakum.model.job import State
from oakum.model.lifecycle import CANCELLED, NOT_AGAIN, STARTS_KEPT, Ending, Settlement
from oakum.store.postgres import keys, tally
from oakum.store.postgres.db import Db

# One that was to run again is cancelled instead, where somebody asked for that while it ran: the last three values.
_SETTLE: Final = """
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[], $14::bytea[])
        AS new(place, seq, token, state, run_at, ended, keep_until, tries, crashes, over, suspect, record)
), done AS (
    UPDATE oakum.job SET
        state = CASE WHEN asked AND new.ended IS NULL THEN $15::bigint ELSE new.state END,
        ended = CASE WHEN asked AND new.ended IS NULL THEN $2::bigint ELSE new.ended END,
        keep_until = CASE WHEN asked AND new.ended IS NULL THEN $16::bigint ELSE new.keep_until END,
        record = CASE WHEN asked AND new.ended IS NULL THEN $17::bytea ELSE new.record END,
        run_at = coalesce(nullif(new.run_at, 0), job.run_at), tries = new.tries, crashes = new.crashes, over = new.over,
        suspect = new.suspect, holder = NULL, asked = NULL, note = NULL,
        placed = CASE WHEN (asked AND new.ended IS NULL) OR new.ended IS NOT NULL THEN NULL ELSE placed END
    FROM new WHERE job.state = 1 AND job.holder = $1 AND job.seq = ANY($4::bigint[]) AND job.seq = new.seq
        AND job.token = new.token
    RETURNING new.place, job.queue, job.task, job.state, octet_length(job.payload) AS size, job.key
), told AS (
    INSERT INTO oakum.delta
    SELECT queue, task, CASE sign WHEN 1 THEN state ELSE 1 END, sign * count(*), sign * sum(size)
    FROM done, (VALUES (-1), (1)) AS side(sign) GROUP BY queue, task, state, sign
)
SELECT place, queue, CASE WHEN state > 3 THEN key END FROM done
"""
# Each job by its own look-up, and then a hash: a planner that expects one row would compare each with each.
_BY_HASH: Final = "SELECT set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true)"
_AS_EVER: Final = "SELECT set_config('enable_nestloop', 'on', true), set_config('enable_mergejoin', 'on', true)"
_END_WAITING: Final = """
WITH done AS (
    UPDATE oakum.job SET state = $2, ended = $3, keep_until = $4, record = $5, placed = NULL
    FROM (SELECT id, state FROM oakum.job WHERE id = ANY($1::uuid[])) AS old
    WHERE job.id = old.id AND job.state IN (0, 2, 3)
    RETURNING queue, task, old.state AS before, octet_length(payload) AS size, key
), told AS (
    INSERT INTO oakum.delta
    SELECT queue, task, CASE sign WHEN 1 THEN $2 ELSE before END, sign * count(*), sign * sum(size)
    FROM done, (VALUES (-1), (1)) AS side(sign) GROUP BY queue, task, before, sign
)
SELECT queue, key FROM done
"""
_WANTED: Final = """
SELECT seq, id, state, uuid_send(id) FROM oakum.job WHERE id = ANY($1::uuid[]) ORDER BY seq FOR UPDATE
"""
_STARTS: Final = """
INSERT INTO oakum.start(seq, token, ended, record) SELECT seq, token, $1, record
FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS new(seq, token, record) ON CONFLICT DO NOTHING
"""
_LOGS: Final = """
INSERT INTO oakum.log(seq, token, text) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING
"""
_OLD: Final = "unnest($1::bigint[], $2::bigint[]) AS old(seq, token)"


def settle(db: Db, settlements: Sequence[Settlement], holder: int, now_ms: int) -> tuple[list[int], set[int]]:
    """Writes the next states; answers the places of those that came too late, and the queues of the others."""
    first = {(each.ref, each.token): place for place, each in reversed(list(enumerate(settlements)))}
    columns = _columns([(place, *_row(settlements[place])) for place in first.values()])
    instead = int(NOT_AGAIN.state), now_ms + NOT_AGAIN.kept_ms, NOT_AGAIN.record
    db.run(_BY_HASH)
    done = {place: (queue, key) for place, queue, key in db.all(_SETTLE, (holder, now_ms, *columns, *instead))}
    db.run(_AS_EVER)
    late = [place for place in range(len(settlements)) if place not in done]
    keys.pass_on(db, [pair for pair in done.values() if pair[1] is not None], now_ms)
    return late, {queue for queue, _ in done.values()}


def _row(each: Settlement) -> tuple[Any, ...]:
    return (
        each.ref, each.token, int(each.state), each.run_at_ms, each.ended_ms, each.keep_until_ms,
        each.tries, each.crashes, each.over, each.suspect, each.record,
    )  # fmt: skip


def keep_stories(db: Db, settlements: Sequence[Settlement], now_ms: int) -> None:
    """Writes what is kept of starts beside the last one's record."""
    stories = [(each.ref, each.token, each.record) for each in settlements if each.story]
    if stories:
        db.run(_STARTS, (now_ms, *_columns(stories)))
    logs = [(each.ref, each.token, each.log) for each in settlements if each.log]
    if logs:
        db.run(_LOGS, _columns(logs))
        tally.add(db, tally.NOBODY, tally.NOBODY, tally.LOGS, len(logs), sum(len(log) for _, _, log in logs if log))
    old = [(each.ref, each.token - STARTS_KEPT) for each in settlements if each.token > STARTS_KEPT]
    if old:
        db.run(
            f"DELETE FROM oakum.start USING {_OLD} WHERE start.seq = old.seq AND start.token <= old.token",
            _columns(old),
        )
        drop_logs(db, f"USING {_OLD} WHERE log.seq = old.seq AND log.token <= old.token", _columns(old))


def drop_logs(db: Db, which: str, values: Sequence[Any]) -> None:
    """Deletes logs."""
    sizes = db.all(f"DELETE FROM oakum.log {which} RETURNING octet_length(text)", values)
    if sizes:
        tally.add(db, tally.NOBODY, tally.NOBODY, tally.LOGS, -len(sizes), -sum(size for (size,) in sizes))


def cancel(db: Db, ids: Sequence[bytes], now_ms: int) -> dict[bytes, State]:
    """See `oakum.store.base.Store.cancel`; in a transaction."""
    rows = db.all(_WANTED, ([each.hex() for each in ids],))
    states = {each: State(state) for _, _, state, each in rows}
    end_waiting(db, [row[1] for row in rows if not State(row[2]).terminal], CANCELLED, now_ms)
    running = [each.hex() for each, state in states.items() if state is State.RUNNING]
    if running:
        db.run("UPDATE oakum.job SET asked = true WHERE id = ANY($1::uuid[]) AND state = 1", (running,))
    left = (State.RUNNING, *(state for state in State if state.terminal))
    return {each: state if state in left else State.CANCELLED for each, state in states.items()}


def end_waiting(db: Db, ids: Sequence[Any], ending: Ending, now_ms: int) -> int:
    """Ends those of the jobs that wait, without a start; how many did. In a transaction that has locked them."""
    if not ids:
        return 0
    done = db.all(_END_WAITING, (list(ids), int(ending.state), now_ms, now_ms + ending.kept_ms, ending.record))
    keys.pass_on(db, [pair for pair in done if pair[1] is not None], now_ms)
    return len(done)


def _columns(rows: Sequence[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
