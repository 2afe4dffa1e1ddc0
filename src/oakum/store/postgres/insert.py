"""Jobs on their way in: nearly all in one statement; those with keys, and those of bounded queues, are looked at first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from oakum.model.bounds import Ruled, Rules
from oakum.model.intake import Load, check_room, dropped, make_room, sort_out
from oakum.model.job import NewJob, State
from oakum.model.lifecycle import Ending
from oakum.store import meta
from oakum.store.base import Mark
from oakum.store.postgres import credit, keys, notice, rules, schema
from oakum.store.postgres.db import HASTE, Db
from oakum.store.postgres.marks import Marks, keys_of
from oakum.store.postgres.ring import WOKEN
from oakum.store.postgres.settle import end_waiting

_NEW: Final = """
new AS (
    INSERT INTO oakum.job(id, task, queue, state, rank, run_at, payload, expires_at, meta, marked, key, placed)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[],
        $8::bigint[], $9::bytea[], $10::boolean[], $11::text[], $12::boolean[]) {where}
    ON CONFLICT (id) DO NOTHING RETURNING queue, task, state, octet_length(payload) AS size
), told AS (
    INSERT INTO oakum.delta SELECT queue, task, state, count(*), sum(size) FROM new GROUP BY queue, task, state
)
"""
# For what was looked at before, and for what follows a job, which comes in although the store is shut.
_INSERT: Final = f"WITH {_NEW.format(where='')} SELECT"
# It waits for no row of a worker that somebody else has, and where it rings, its commit does not wait for the disk.
_INSERT_AND_RING: Final = f"""
WITH look AS MATERIALIZED (
    SELECT EXISTS (SELECT 1 FROM oakum.rule WHERE bounded AND kind = 'queue' AND name = ANY($13::text[]))
        OR EXISTS ({notice.VALUE}) OR ({notice.VERSION}) > {schema.VERSION} AS further
), {_NEW.format(where="WHERE NOT (SELECT further FROM look)")}, idle AS MATERIALIZED (
    SELECT number FROM oakum.holder WHERE waits && $3::bigint[]::integer[] AND NOT (SELECT further FROM look)
    FOR UPDATE SKIP LOCKED
), {WOKEN}, rung AS MATERIALIZED (SELECT pg_notify($14, ''), {HASTE} FROM woken LIMIT 1)
SELECT NOT further, EXISTS (SELECT 1 FROM rung), (SELECT count(*) FROM new) = cardinality($1::uuid[]) FROM look
"""
# A commit that waits for the disk, behind all that was committed before it: one that writes nothing would not.
_KEEP: Final = "SELECT pg_logical_emit_message(true, 'oakum', '')"
_THERE: Final = "SELECT uuid_send(id) FROM oakum.job WHERE id = ANY($1::uuid[])"
_OLDEST: Final = """
SELECT id::text, octet_length(payload) FROM oakum.job WHERE queue = $1 AND state IN (0, 2, 3) ORDER BY seq LIMIT $2
FOR UPDATE SKIP LOCKED
"""
_MOST_DROPPED: Final = 10_000
_OLD: Final = """
SELECT name.text, queue, octet_length(payload), meta, state FROM oakum.job JOIN oakum.name ON number = queue WHERE id = $1::uuid FOR UPDATE OF job
"""
# One that is given a new start leaves its place; one with a key comes back by `keys.enter`.
_REPLACE: Final = """
WITH old AS (SELECT queue, task, state, octet_length(payload) AS size FROM oakum.job WHERE id = $1::uuid),
new AS (
    UPDATE oakum.job SET payload = $2, rank = $3, expires_at = $4, meta = $7, run_at = coalesce(nullif($5, 0), run_at),
        placed = CASE WHEN $5 = 0 THEN placed WHEN key IS NOT NULL THEN false END,
        state = CASE WHEN $5 = 0 THEN state WHEN $5 > $6 OR key IS NOT NULL THEN 2 ELSE 0 END
    WHERE id = $1::uuid RETURNING queue, task, state, octet_length(payload) AS size, key
), told AS (
    INSERT INTO oakum.delta
    SELECT queue, task, state, -1, -size FROM old UNION ALL SELECT queue, task, state, 1, size FROM new
)
SELECT key FROM new
"""


Promise = Callable[[int, str, Rules, Sequence[NewJob]], Load]
"""Keeps the room for jobs in a queue, given by number, name and rules, free for a transaction; what the queue holds."""


def names_of(jobs: Iterable[NewJob]) -> Iterable[str]:
    """The names that `write_jobs` needs the numbers of."""
    return chain.from_iterable((job.task, job.queue) for job in jobs)


class Entry(NamedTuple):
    """What became of jobs: whether they were written, whether it was rung for them, and whether they are on the server's disk."""

    written: bool
    rang: bool
    kept: bool


def write_plain(db: Db, numbers: Mapping[str, int], jobs: Sequence[NewJob], now_ms: int, channel: str) -> Entry:
    """Writes jobs in one statement, if they have no keys and their queues no bound.

    Where it rings they are there to be claimed, but not on the disk before `keep` has come back; and where some are there
    already, nobody knows.
    """
    if any(job.unique or job.idempotency or job.key for job in jobs):
        return Entry(written=False, rang=False, kept=True)
    queues = sorted({job.queue for job in jobs})
    written, rang, new = db.one(_INSERT_AND_RING, (*_columns(jobs, numbers, now_ms), queues, channel))
    return Entry(written, rang, kept=not written or (new and not rang))


def keep(db: Db) -> None:
    """Waits until all that was committed before is on the server's disk."""
    db.run(_KEEP)


def write_jobs(
    db: Db, numbers: Mapping[str, int], jobs: Sequence[NewJob], now_ms: int, promise: Promise | None = None
) -> list[Mark]:
    """Writes any jobs; answers who holds the keys of those that stay out. In a transaction.

    A bound is exact because all who insert there wait for each other. In a transaction of the caller's, which may last,
    nobody is made to wait: `promise` sees to the room there. Raises QueueFull and DuplicateJob.
    """
    bounds = {name: each.rules for name, each in rules.read(db, "queue", {job.queue for job in jobs}).items()}
    bounded = {name: each for name, each in bounds.items() if each.max_jobs is not None or each.max_bytes is not None}
    if bounded and promise is None:
        rules.read(db, "queue", bounded, lock="FOR NO KEY UPDATE")
    marks = Marks(db, jobs, now_ms)
    there = {row[0] for row in db.all(_THERE, ([job.id.hex() for job in jobs],))}
    intake = sort_out(jobs, now_ms, there.__contains__, marks.unique_owner, marks.idempotency_owner)
    late: list[tuple[set[bytes], Ending]] = []
    for queue, rule in bounded.items():
        fresh = [job for job in intake.fresh if job.queue == queue]
        if fresh:
            number, ending = numbers[queue], dropped(queue, rule)
            load = credit.load(db, number) if promise is None else promise(number, queue, rule, fresh)
            room = make_room(queue, rule, load, fresh, _oldest(db, number))
            end_waiting(db, room.waiting, ending, now_ms)
            late.append((room.new, ending))
    if intake.fresh:
        db.run(_INSERT, _columns(intake.fresh, numbers, now_ms))
        for ids, ending in late:
            end_waiting(db, [each.hex() for each in ids], ending, now_ms)
        keys.enter(db, [job.id.hex() for job in intake.fresh if job.key is not None and job.run_at_ms <= now_ms])
    marks.keep(intake.fresh)
    for job in intake.replaced.values():
        _replace(db, job, now_ms)
    return [Mark(place, owner) for place, owner in intake.marks]


def _oldest(db: Db, queue: int) -> Iterable[tuple[Any, int]]:
    yield from db.all(_OLDEST, (queue, _MOST_DROPPED))


def _replace(db: Db, job: NewJob, now_ms: int) -> None:
    """A waiting job takes what a new one with its key says."""
    queue, number, size, column, state = db.one(_OLD, (job.id.hex(),))
    if State(state).terminal:  # let go of by this same call
        return
    rule = rules.read(db, "queue", [queue]).get(queue, Ruled()).rules
    if rule.max_jobs is not None or rule.max_bytes is not None:
        check_room(queue, rule, credit.load(db, number), 0, max(0, len(job.payload) - size))
    run_at_ms = job.run_at_ms
    kept = meta.unpack(column)
    extra = meta.pack(replace(job, parent=kept.parent, unique=kept.unique))
    values = job.payload, ~job.priority, job.expires_ms, run_at_ms, now_ms, extra
    key = db.one(_REPLACE, (job.id.hex(), *values))[0]
    if key is not None and run_at_ms:
        keys.pass_on(db, [(number, key)], now_ms)
        if run_at_ms <= now_ms:
            keys.enter(db, [job.id.hex()])


def _columns(jobs: Sequence[NewJob], numbers: Mapping[str, int], now_ms: int) -> list[list[Any]]:
    return [list(column) for column in zip(*(_row(job, numbers, now_ms) for job in jobs), strict=True)]


def _row(job: NewJob, numbers: Mapping[str, int], now_ms: int) -> tuple[Any, ...]:
    """A job with a key is held at first, until `keys.enter` has found it a place."""
    keyed = job.key is not None
    state = State.SCHEDULED if job.run_at_ms > now_ms else State.HELD if keyed else State.AVAILABLE
    return (
        job.id.hex(), numbers[job.task], numbers[job.queue], int(state), ~job.priority, job.run_at_ms or now_ms,
        job.payload, job.expires_ms, meta.pack(job), True if keys_of(job) else None,
        job.key, False if keyed else None,
    )  # fmt: skip
