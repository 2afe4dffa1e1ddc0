"""What people ask of the file: listings, one job's story, counts. Every answer is bounded, and so is every look."""

from __future__ import annotations

from typing import Any, Final

from oakum.model.ids import id_wall_ms
from oakum.model.job import JobQuery, JobView, NewJob, State
from oakum.store import meta
from oakum.store.base import Count, Flow, Page, Story
from oakum.store.kept import Start
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names

LOOKED_AT: Final = 20_000  # jobs, for one page
_END_OF_IDS: Final = b"\xff" * 17
_VIEW: Final = """
SELECT job.seq, job.id, job.task, job.queue, job.state, job.rank, job.run_at, job.ended, job.expires_at, job.tries,
    job.crashes, job.over, job.token, job.payload, job.record, job.meta, job.key, progress.note
FROM job INDEXED BY job_id LEFT JOIN progress USING (seq)
"""
_FLOWS: Final = """
SELECT queue, task, sum(jobs), sum(iif(state > 3, jobs, 0))
FROM (SELECT queue, task, state, jobs FROM tally UNION ALL SELECT queue, task, 4, jobs FROM gone) GROUP BY queue, task
"""
# The least run_at of each rank, since that is how the index goes: a skip from rank to rank.
_OLDEST: Final = """
WITH RECURSIVE skip(rank) AS (
    SELECT min(rank) FROM job WHERE state = 0 AND queue = ? AND task = ?
    UNION ALL
    SELECT (SELECT min(rank) FROM job WHERE state = 0 AND queue = ? AND task = ? AND rank > skip.rank)
    FROM skip WHERE skip.rank IS NOT NULL
)
SELECT min((SELECT min(run_at) FROM job WHERE state = 0 AND queue = ? AND task = ? AND rank = skip.rank))
FROM skip WHERE rank IS NOT NULL
"""


def jobs(db: Database, names: Names, query: JobQuery) -> Page:
    """See `oakum.store.base.Store.jobs`."""
    before = query.before if query.before is not None else _END_OF_IDS
    last = fetch_one(db, "SELECT id FROM job WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?", (before, LOOKED_AT - 1))
    where: list[str] = ["job.id < ?", "job.id >= ?"]
    values: list[Any] = [before, last[0] if last is not None else b""]
    if query.states:
        where.append(f"job.state IN ({', '.join('?' * len(query.states))})")
        values += query.states
    for column, text in (("task", query.task), ("queue", query.queue)):
        if text is not None:
            where.append(f"job.{column} = ?")
            values.append(names.find(db, text))
    if query.tag is not None:
        where.append("instr(job.meta, ?)")  # the few that may have it; which of them do, is looked at below
        values.append(query.tag.encode())
    found: list[JobView] = []
    for row in db.execute(f"{_VIEW} WHERE {' AND '.join(where)} ORDER BY job.id DESC", values):
        view = _view(db, names, row)
        if query.tag is None or query.tag in view.tags:
            found.append(view)
            if len(found) == query.limit:
                return Page(tuple(found), view.id)
    return Page(tuple(found), last[0] if last is not None else None)


def story(db: Database, names: Names, id: bytes) -> Story | None:
    """See `oakum.store.base.Store.story`."""
    row = fetch_one(db, f"{_VIEW} WHERE job.id = ?", (id,))
    if row is None:
        return None
    seq = row[0]
    starts = db.execute("SELECT token, ended, record FROM start WHERE seq = ? ORDER BY token", (seq,))
    logs = db.execute("SELECT text FROM log WHERE seq = ? ORDER BY token", (seq,))
    return Story(
        job=_view(db, names, row),
        starts=tuple(Start(*start) for start in starts),
        log=b"".join(text for (text,) in logs).decode("utf-8", "replace"),
        cancel_asked=fetch_one(db, "SELECT 1 FROM ask WHERE seq = ?", (seq,)) is not None,
    )


def copy(db: Database, names: Names, old: bytes, new: bytes) -> NewJob | None:
    """An ended job as a fresh one with the id `new`, None when it has not ended, or is not there."""
    row = fetch_one(db, "SELECT task, queue, rank, payload, state, meta, key FROM job WHERE id = ?", (old,))
    if row is None or not State(row[4]).terminal:
        return None
    extra = meta.unpack(row[5])
    return NewJob(
        id=new,
        task=names.text(db, row[0]),
        payload=row[3],
        queue=names.text(db, row[1]),
        priority=-row[2],
        unique=extra.unique,
        overrides=extra.overrides,
        tags=extra.tags,
        parent=old,
        key=row[6],
    )


def outcome(db: Database, id: bytes) -> tuple[State, bytes | None] | None:
    """See `oakum.store.base.Store.outcome`."""
    row = fetch_one(db, "SELECT state, record FROM job WHERE id = ?", (id,))
    return None if row is None else (State(row[0]), row[1])


def counts(db: Database, names: Names) -> list[Count]:
    """See `oakum.store.base.Store.counts`."""
    rows = fetch_all(db, "SELECT queue, task, state, jobs, bytes FROM tally WHERE jobs > 0")
    return [
        Count(names.text(db, queue), names.text(db, task), State(state), *counted)
        for queue, task, state, *counted in rows
    ]


def flows(db: Database, names: Names) -> list[Flow]:
    """See `oakum.store.base.Store.flows`."""
    rows = fetch_all(db, _FLOWS)
    return [
        Flow(names.text(db, queue), names.text(db, task), arrived, ended, fetch_one(db, _OLDEST, 3 * (queue, task))[0])
        for queue, task, arrived, ended in rows
    ]


def _view(db: Database, names: Names, row: Any) -> JobView:
    (
        _, job_id, task, queue, state, rank, run_at, ended, expires, tries,
        crashes, over, token, payload, record, column, key, note,
    ) = row  # fmt: skip
    extra = meta.unpack(column)
    return JobView(
        id=job_id,
        task=names.text(db, task),
        queue=names.text(db, queue),
        state=State(state),
        priority=-rank,
        created_ms=id_wall_ms(job_id),
        run_at_ms=run_at,
        ended_ms=ended,
        expires_ms=expires,
        tries=tries,
        crashes=crashes,
        over=over,
        token=token,
        payload=payload,
        record=record,
        tags=extra.tags,
        parent=extra.parent,
        progress=note,
        key=key,
    )
