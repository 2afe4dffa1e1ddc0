"""Taking jobs out: the first in order of every task that the worker wants, within its bytes and its number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from oakum.model.job import Claimed
from oakum.model.lifecycle import EXPIRED
from oakum.store import meta
from oakum.store.base import Want
from oakum.store.postgres import keys, notice, schema
from oakum.store.postgres.db import HASTY, Db
from oakum.store.postgres.names import Names
from oakum.store.postgres.settle import end_waiting

PROMOTED_AT_ONCE: Final = 1000

_COLUMNS: Final = (
    "seq, uuid_send(id), task, queue, payload, token, tries, crashes, over, suspect, meta, key, expires_at"
)
_FIRST: Final = """
SELECT {columns} FROM oakum.job
WHERE state = 0 AND queue = want.queue AND task = want.task AND (expires_at IS NULL OR expires_at > {now})
ORDER BY rank, run_at, seq LIMIT want.most
"""
_HEAD: Final = f"""
SELECT want.line, want.task, first.id, first.key
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS want(line, queue, task, most),
    LATERAL ({_FIRST.format(columns="rank, run_at, seq, id::text, key", now="$5::bigint")}) AS first
WHERE want.queue NOT IN (SELECT queue FROM oakum.paused)
ORDER BY want.line, first.rank, first.run_at, first.seq
"""
_PLACE: Final = "ctid AS place, rank, run_at, seq, octet_length(payload) AS size"
# The locked rows are found again by their place in the table: an array of them, since the planner would rather guess
# how many rows a join has, and read the whole table for it. Their place is enough, since they are locked: with their state
# beside it, a planner whose statistics are old would walk the whole index of all that are in that state.
_TAKEN: Final = f"""
first AS MATERIALIZED (
    SELECT place FROM (
        SELECT place, row_number() OVER these AS number, sum(size) OVER these AS total
        FROM locked WINDOW these AS (ORDER BY line, rank, run_at, seq)
    ) AS added_up WHERE number = 1 OR total <= $7
), me AS MATERIALIZED (
    SELECT 1 FROM oakum.holder WHERE number = $6 AND NOT fenced AND EXISTS (SELECT 1 FROM first)
        AND NOT EXISTS ({notice.VALUE}) FOR SHARE
), taken AS (
    UPDATE oakum.job SET state = 1, holder = $6, token = token + 1
    WHERE ctid = ANY(ARRAY(SELECT place FROM first)) AND EXISTS (SELECT 1 FROM me)
    RETURNING rank, run_at, {_COLUMNS}
), told AS (
    INSERT INTO oakum.delta SELECT queue, task, side.state, side.sign * count(*), side.sign * sum(octet_length(payload))
    FROM taken, (VALUES (0, -1), (1, 1)) AS side(state, sign) GROUP BY queue, task, side.state, side.sign
)
"""
_TAKE: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT want.line, first.*
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS want(line, queue, task, most),
        LATERAL ({_FIRST.format(columns=_PLACE, now="$5::bigint")} FOR UPDATE SKIP LOCKED) AS first
    WHERE want.queue NOT IN (SELECT queue FROM oakum.paused)
), {_TAKEN}
SELECT * FROM taken
"""
_HELD: Final = f"SELECT {_COLUMNS} FROM oakum.job WHERE state = 1 AND holder = $1 ORDER BY seq LIMIT $2"
_WAIT: Final = f"""
WITH {HASTY}
UPDATE oakum.holder SET waits = $2::integer[] FROM hasty
WHERE number = $1 AND NOT fenced AND waits IS DISTINCT FROM $2::integer[]
"""
_EXPIRING: Final = "expires_at IS NOT NULL AND state IN (0, 2, 3)"  # word for word as in the index
_EXPIRED: Final = f"""
SELECT seq, id FROM oakum.job WHERE expires_at <= $1 AND {_EXPIRING} ORDER BY expires_at LIMIT $2
FOR UPDATE SKIP LOCKED
"""
_PROMOTE: Final = """
WITH due AS MATERIALIZED (
    SELECT ctid AS place FROM oakum.job WHERE state = 2 AND run_at <= $1 ORDER BY run_at, seq LIMIT $2
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE oakum.job SET state = CASE WHEN placed = false THEN 3 ELSE 0 END
    WHERE ctid = ANY(ARRAY(SELECT place FROM due))
    RETURNING queue, task, state, octet_length(payload) AS size, CASE WHEN placed = false THEN id END AS keyed
), told AS (
    INSERT INTO oakum.delta SELECT queue, task, CASE sign WHEN 1 THEN state ELSE 2 END, sign * count(*), sign * sum(size)
    FROM moved, (VALUES (-1), (1)) AS side(sign) GROUP BY queue, task, state, sign
)
SELECT queue, keyed FROM moved
"""
# The first of an index, and not the least of a set, which a planner that expects one row would read whole.
NEXT_DUE: Final = f"""
SELECT least((SELECT run_at FROM oakum.job WHERE state = 2 ORDER BY run_at LIMIT 1),
    (SELECT expires_at FROM oakum.job WHERE {_EXPIRING} ORDER BY expires_at LIMIT 1))
"""

# Nothing that has a limit, as long as nothing of it is there: then there is nobody to wait for. What is of one kind and may
# be taken is taken at once.
_LOOK: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS wish(line, queue, task, many, place)
), there AS MATERIALIZED (
    SELECT want.* FROM (SELECT *, 1 AS most FROM asked) AS want, LATERAL ({_FIRST.format(columns="seq", now="$5::bigint")}) AS first
    WHERE want.queue NOT IN (SELECT queue FROM oakum.paused)
), sight AS MATERIALIZED (
    SELECT ARRAY(SELECT place FROM there ORDER BY place) AS places, ({NEXT_DUE}) <= $5 AS due, EXISTS (
        SELECT 1 FROM oakum.rule JOIN oakum.name ON name.text = rule.name WHERE limited
            AND ((kind = 'queue' AND number IN (SELECT queue FROM there)) OR (kind = 'task' AND number IN (SELECT task FROM there)))
    ) AS limited, ({notice.VERSION}) AS version
), locked AS MATERIALIZED (
    SELECT want.line, first.*
    FROM (SELECT line, queue, task, many AS most FROM there
        WHERE (SELECT cardinality(places) = 1 AND NOT limited AND due IS NOT true AND version <= {schema.VERSION} FROM sight)) AS want,
        LATERAL ({_FIRST.format(columns=_PLACE, now="$5::bigint")} FOR UPDATE SKIP LOCKED) AS first
), {_TAKEN}
SELECT places, (SELECT waits FROM oakum.holder WHERE number = $6), due, limited, ({notice.VALUE}), version, taken.*
FROM sight LEFT JOIN taken ON true
"""


class Wish(NamedTuple):
    """What may be taken: `most` jobs of one task, each of `weight` bytes, in the queue that is number `line` in the order of
    preference."""

    line: int
    queue: int
    task: int
    most: int
    weight: int


class Sight(NamedTuple):
    """What a claim finds: the wishes that something is there for, the queues that its holder is noted to wait for, whether
    `promote` would find anything, whether anything of what is there has a limit, and what was taken at once."""

    wishes: list[Wish]
    waits: list[int] | None
    due: bool
    limited: bool
    taken: list[Claimed]


def look(db: Db, names: Names, asked: list[Wish], want: Want, now_ms: int, shown: str) -> Sight:
    """What is there; of one wish alone, which nothing limits, jobs are taken. One statement, which writes only what it takes.

    Raises what `notice.judge` does.
    """
    rows = db.all(_LOOK, (*_columns(asked), now_ms, want.holder, want.payload))
    there, waits, due, limited, shut, version = rows[0][:6]
    notice.judge(shut, version, shown)
    taken = _claimed(db, names, asked, [row[6:] for row in rows if row[6] is not None])
    return Sight([asked[place - 1] for place in there], waits, bool(due), limited, taken)


def wishes(want: Want, numbers: Mapping[str, int]) -> list[Wish]:
    """All that a worker could take, were it there."""
    return [
        Wish(
            line, numbers[queue], numbers[task], min(want.limit, want.room // weight) if weight else want.limit, weight
        )
        for line, queue in enumerate(want.queues)
        for task, weight in want.weights.items()
        if weight <= want.room
    ]


def choose(db: Db, asked: list[Wish], want: Want, now_ms: int) -> list[Wish]:
    """How many of each to take, so that they are the first of all in order, within the room and the limit."""
    if len(asked) <= 1:
        return asked  # nearly always, and then one statement takes them
    weights = {wish.task: wish.weight for wish in asked}
    room, left = want.room, want.limit
    chosen: Counter[tuple[int, int]] = Counter()
    ended: set[int] = set()
    for line, task, _, _ in head(db, asked, now_ms):
        if line in ended:
            continue
        if weights[task] > room or left == 0:
            ended.add(line)
            continue
        room, left = room - weights[task], left - 1
        chosen[line, task] += 1
    return [wish._replace(most=most) for wish in asked if (most := chosen[wish.line, wish.task])]


def head(db: Db, asked: list[Wish], now_ms: int) -> list[Any]:
    """The first available jobs of all that is asked for, in order: line, task, id and key."""
    return db.all(_HEAD, (*_columns(asked), now_ms)) if asked else []


def take(db: Db, names: Names, asked: list[Wish], want: Want, now_ms: int) -> list[Claimed]:
    """Takes jobs, in one statement; nothing for a holder that is fenced."""
    if not asked:
        return []
    return _claimed(db, names, asked, db.all(_TAKE, (*_columns(asked), now_ms, want.holder, want.payload)))


def wait(db: Db, holder: int, queues: list[int]) -> bool:
    """Notes that a holder found nothing in these queues, so that it is to be rung for; false where that is noted already."""
    return db.run(_WAIT, (holder, queues)) > 0


def held(db: Db, names: Names, holder: int, limit: int) -> list[Claimed]:
    """See `oakum.store.base.Store.held`."""
    return [_job(db, names, row) for row in db.all(_HELD, (holder, limit))]


def promote(db: Db, now_ms: int, limit: int) -> tuple[int, list[int]]:
    """See `oakum.store.base.Store.promote`; how many, and the queues in which more is available."""
    expired = end_waiting(db, [row[1] for row in db.all(_EXPIRED, (now_ms, limit))], EXPIRED, now_ms)
    due = db.all(_PROMOTE, (now_ms, limit - expired))
    keys.enter(db, [job for _, job in due if job is not None])
    return expired + len(due), [queue for queue, _ in due]


def is_due(db: Db, now_ms: int) -> bool:
    """Whether `promote` would find anything."""
    at = db.one(NEXT_DUE)[0]
    return at is not None and at <= now_ms


def _columns(asked: list[Wish]) -> tuple[list[int], ...]:
    """Line, queue, task and number of each."""
    return tuple([wish[place] for wish in asked] for place in range(4))


def _claimed(db: Db, names: Names, asked: list[Wish], rows: list[Any]) -> list[Claimed]:
    """What was taken, in order."""
    line = {wish.queue: wish.line for wish in asked}
    rows.sort(key=lambda row: (line[row[5]], row[0], row[1], row[2]))
    return [_job(db, names, row[2:]) for row in rows]


def _job(db: Db, names: Names, row: Any) -> Claimed:
    seq, job_id, task, queue, payload, token, tries, crashes, over, suspect, column, key, expires_at = row
    extra = meta.unpack(column)
    return Claimed(
        seq, job_id, names.text(db, task), names.text(db, queue), payload, token,
        tries, crashes, over, suspect, extra.overrides, extra.tags, key, expires_at,
    )  # fmt: skip
