"""What people ask of the file: listings, one job's story, counts. Every answer is bounded."""

from __future__ import annotations

from typing import Any, Final

import apsw

from oakum.errors import UsageError
from oakum.model.ids import id_wall_ms
from oakum.model.job import JobQuery, JobView, State
from oakum.store.base import Count, Start, Story
from oakum.store.sqlite.claim import decode_meta
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.names import Names

LARGEST_PAGE: Final = 10_000
_VIEW: Final = """
SELECT job.id, job.task, job.queue, job.state, job.rank, job.run_at, job.ended, job.expires_at, job.tries, job.crashes,
    job.over, job.token, job.payload, job.record, job.meta, progress.note, job.seq
FROM job LEFT JOIN progress USING (seq)
"""


def jobs(db: apsw.Connection, names: Names, query: JobQuery) -> list[JobView]:
    """See `oakum.store.base.Store.jobs`."""
    if not 0 < query.limit <= LARGEST_PAGE:
        raise UsageError(f"limit: {query.limit} is not between 1 and {LARGEST_PAGE}; page on with `before`")
    where: list[str] = []
    values: list[Any] = []
    if query.states:
        where.append(f"job.state IN ({', '.join('?' * len(query.states))})")
        values += query.states
    for column, text in (("task", query.task), ("queue", query.queue)):
        if text is not None:
            where.append(f"job.{column} = ?")
            values.append(names.find(db, text))
    if query.before is not None:
        where.append("job.seq < (SELECT seq FROM job WHERE id = ?)")
        values.append(query.before)
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    found: list[JobView] = []
    for row in db.execute(f"{_VIEW} {condition} ORDER BY job.seq DESC", values):
        view = _view(db, names, row)
        if query.tag is None or query.tag in view.tags:
            found.append(view)
            if len(found) == query.limit:
                break
    return found


def story(db: apsw.Connection, names: Names, id: bytes) -> Story | None:
    """See `oakum.store.base.Store.story`."""
    row = fetch_one(db, f"{_VIEW} WHERE job.id = ?", (id,))
    if row is None:
        return None
    seq = row[-1]
    starts = db.execute("SELECT token, ended, record FROM start WHERE seq = ? ORDER BY token", (seq,))
    logs = db.execute("SELECT text FROM log WHERE seq = ? ORDER BY token", (seq,))
    asked = fetch_one(db, "SELECT 1 FROM ask WHERE seq = ?", (seq,))
    return Story(
        job=_view(db, names, row),
        starts=tuple(Start(*start) for start in starts),
        log=b"".join(text for (text,) in logs).decode("utf-8", "replace"),
        cancel_asked=asked is not None,
    )


def counts(db: apsw.Connection, names: Names) -> list[Count]:
    """See `oakum.store.base.Store.counts`."""
    rows = fetch_all(db, "SELECT queue, task, state, jobs FROM tally WHERE jobs > 0 ORDER BY queue, task, state")
    return [Count(names.text(db, queue), names.text(db, task), State(state), jobs) for queue, task, state, jobs in rows]


def _view(db: apsw.Connection, names: Names, row: Any) -> JobView:
    (
        job_id,
        task,
        queue,
        state,
        rank,
        run_at,
        ended,
        expires,
        tries,
        crashes,
        over,
        token,
        payload,
        record,
        meta,
        note,
    ) = row[:16]
    _, tags, parent = decode_meta(meta) if meta is not None else (None, (), None)
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
        tags=tags,
        parent=parent,
        progress=note,
    )
