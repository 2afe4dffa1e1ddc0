"""Jobs with a key: which of them have a place of it, and who comes next. A row of `line` is the lock of one key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from oakum.model.bounds import Ruled
from oakum.model.ids import id_wall_ms
from oakum.model.job import State
from oakum.store.postgres import rules
from oakum.store.postgres.db import Db

# All take the locks in one order. The row is written only where it is new.
_MAKE: Final = """
INSERT INTO oakum.line(queue, key) SELECT queue, key
FROM unnest($1::bigint[], $2::text[]) AS pair(queue, key) ORDER BY queue, key ON CONFLICT DO NOTHING
"""
_LOCK: Final = """
SELECT 1 FROM oakum.line WHERE (queue, key) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))
ORDER BY queue, key FOR UPDATE
"""
# Those that may lose their place to one which comes first: nobody claims them until that is decided.
_KEEP: Final = """
SELECT 1 FROM oakum.job WHERE placed AND state = 0 AND token = 0
    AND (queue, key) IN (SELECT * FROM unnest($1::bigint[], $2::text[])) ORDER BY seq FOR UPDATE
"""
_PLACED: Final = """
SELECT job.queue, job.key, rank, run_at, seq, id, state = 0 AND token = 0
FROM unnest($1::bigint[], $2::text[]) AS pair(queue, key) JOIN oakum.job ON job.queue = pair.queue AND job.key = pair.key
WHERE placed
"""
_ENTERING: Final = "SELECT queue, key, rank, run_at, seq, id, true FROM oakum.job WHERE id = ANY($1::uuid[]) AND NOT placed ORDER BY seq"
_MOVE: Final = """
WITH moved AS (
    UPDATE oakum.job SET state = new.state, placed = new.placed, run_at = least(run_at, new.latest)
    FROM (SELECT job.id, job.state AS before, pair.state, pair.placed, pair.latest
        FROM unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::bigint[]) AS pair(id, state, placed, latest)
            JOIN oakum.job ON job.id = pair.id) AS new
    WHERE job.id = new.id RETURNING queue, task, new.before, job.state, octet_length(payload) AS size
)
INSERT INTO oakum.delta SELECT queue, task, CASE sign WHEN 1 THEN state ELSE before END, sign * count(*), sign * sum(size)
FROM moved, (VALUES (-1), (1)) AS side(sign) GROUP BY queue, task, before, state, sign
"""
_NEXT: Final = """
WITH next AS MATERIALIZED (
    SELECT held.id FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS pair(queue, key, most), LATERAL (
        SELECT id FROM oakum.job WHERE state = 3 AND queue = pair.queue AND key = pair.key ORDER BY rank, run_at, seq
        LIMIT greatest(0, pair.most - (SELECT count(*) FROM oakum.job AS mate
            WHERE placed AND mate.queue = pair.queue AND mate.key = pair.key))) AS held
), moved AS (
    UPDATE oakum.job SET state = 0, placed = true, run_at = coalesce($4::bigint, run_at)
    WHERE id = ANY(ARRAY(SELECT id FROM next)) AND state = 3 RETURNING queue, task, octet_length(payload) AS size
), told AS (
    INSERT INTO oakum.delta SELECT queue, task, side.state, side.sign * count(*), side.sign * sum(size)
    FROM moved, (VALUES (3, -1), (0, 1)) AS side(state, sign) GROUP BY queue, task, side.state, side.sign
)
SELECT DISTINCT queue FROM moved
"""

Pair = tuple[int, str]


class _Mate(NamedTuple):
    queue: int
    key: str
    rank: int
    run_at: int
    seq: int
    id: Any
    fresh: bool

    @property
    def order(self) -> tuple[int, int, int]:
        return self.rank, self.run_at, self.seq


def enter(db: Db, ids: Sequence[str]) -> None:
    """Makes held jobs available, where there are places; one that comes first takes the place of a later one, which stands
    again where it stood when it came in."""
    coming = [_Mate(*row) for row in db.all(_ENTERING, (list(ids),))]
    pairs = {(mate.queue, mate.key) for mate in coming}
    if not pairs:
        return
    _lock(db, pairs)
    most = _most(db, pairs)
    placed: dict[Pair, list[_Mate]] = {pair: [] for pair in pairs}
    db.run(_KEEP, _columns(sorted(pairs)))
    for row in db.all(_PLACED, _columns(sorted(pairs))):
        placed[row[0], row[1]].append(_Mate(*row))
    moves: dict[Any, bool] = {}
    came_in: dict[Any, int] = {}
    for mate in coming:
        mates = placed[mate.queue, mate.key]
        if len(mates) >= most[mate.queue]:
            last = max((each for each in mates if each.fresh), key=lambda each: each.order, default=mate)
            if last.order <= mate.order:
                moves[mate.id] = False
                continue
            mates.remove(last)
            moves[last.id] = False
            came_in[last.id] = id_wall_ms(last.id.bytes)
        mates.append(mate)
        moves[mate.id] = True
    states = [int(State.AVAILABLE if has else State.HELD) for has in moves.values()]
    db.run(_MOVE, (list(moves), states, list(moves.values()), [came_in.get(each) for each in moves]))


def pass_on(db: Db, pairs: Iterable[Pair], run_at_ms: int | None) -> list[int]:
    """Gives free places to those held longest, who then start at `run_at_ms`, None: as they were; in which queues."""
    known = set(pairs)
    if not known:
        return []
    _lock(db, known)
    most = _most(db, known)
    rows = [(queue, key, most[queue]) for queue, key in sorted(known)]
    return [queue for (queue,) in db.all(_NEXT, (*_columns(rows), run_at_ms))]


def _lock(db: Db, pairs: Iterable[Pair]) -> None:
    columns = _columns(sorted(pairs))
    db.run(_MAKE, columns)
    db.run(_LOCK, columns)


def _most(db: Db, pairs: Iterable[Pair]) -> dict[int, int]:
    """The places of a key in each queue."""
    queues = sorted({queue for queue, _ in pairs})
    names = db.all("SELECT number, text FROM oakum.name WHERE number = ANY($1::bigint[])", (queues,))
    known = rules.read(db, "queue", [text for _, text in names])
    return {number: known.get(text, Ruled()).rules.key_limit for number, text in names}


def _columns(rows: Sequence[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
