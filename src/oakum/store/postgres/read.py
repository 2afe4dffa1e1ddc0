"""What people ask of the server: listings, one job's story, copies. Every answer is bounded, and so is every look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from oakum.model.ids import id_wall_ms
from oakum.model.job import JobQuery, JobView, NewJob, State
from oakum.store import meta
from oakum.store.base import Page, Story
from oakum.store.kept import Start
from oakum.store.postgres.db import Db
from oakum.store.postgres.names import Names

LOOKED_AT: Final = 20_000  # jobs, for one page
_FIRST_ID: Final = bytes(16)
_LAST_ID: Final = b"\xff" * 16
_VIEW: Final = """
SELECT uuid_send(id), task, queue, state, rank, run_at, ended, expires_at, tries, crashes, over, token, payload, record,
    meta, note, key, seq, asked
FROM oakum.job
"""
_LAST: Final = """
SELECT uuid_send(id) FROM oakum.job WHERE id < $1::uuid ORDER BY id DESC LIMIT 1 OFFSET $2
"""


def jobs(db: Db, names: Names, query: JobQuery) -> Page:
    """See `oakum.store.base.Store.jobs`."""
    before = (query.before if query.before is not None else _LAST_ID).hex()
    last = db.one(_LAST, (before, LOOKED_AT - 1))
    where = ["id < $1::uuid", "id >= $2::uuid"]
    values: list[Any] = [before, (last[0] if last is not None else _FIRST_ID).hex()]
    wanted = {
        "state = ANY({}::bigint[])": [int(state) for state in query.states] or None,
        "task = {}": None if query.task is None else names.find(db, query.task) or 0,
        "queue = {}": None if query.queue is None else names.find(db, query.queue) or 0,
        "position({} IN meta) > 0": None if query.tag is None else query.tag.encode(),  # the few that may have it
    }
    for condition, value in wanted.items():
        if value is not None:
            values.append(value)
            where.append(condition.format(f"${len(values)}"))
    # A tag is looked for once more, below: what is found in the column may be a part of another.
    bound = "" if query.tag is not None else f"LIMIT {query.limit}"
    found: list[JobView] = []
    for row in db.all(f"{_VIEW} WHERE {' AND '.join(where)} ORDER BY id DESC {bound}", values):
        view = _view(db, names, row)
        if query.tag is None or query.tag in view.tags:
            found.append(view)
            if len(found) == query.limit:
                return Page(tuple(found), view.id)
    return Page(tuple(found), last[0] if last is not None else None)


def story(db: Db, names: Names, id: bytes) -> Story | None:
    """See `oakum.store.base.Store.story`."""
    row = db.one(f"{_VIEW} WHERE id = $1::uuid", (id.hex(),))
    if row is None:
        return None
    *_, seq, asked = row
    starts = db.all("SELECT token, ended, record FROM oakum.start WHERE seq = $1 ORDER BY token", (seq,))
    logs = db.all("SELECT text FROM oakum.log WHERE seq = $1 ORDER BY token", (seq,))
    return Story(
        job=_view(db, names, row),
        starts=tuple(Start(*start) for start in starts),
        log=b"".join(text for (text,) in logs).decode("utf-8", "replace"),
        cancel_asked=bool(asked),
    )


def copies(db: Db, names: Names, ids: Mapping[bytes, bytes]) -> list[NewJob]:
    """Ended jobs as fresh ones, under new ids; those that have not ended are left out."""
    rows = db.all(f"{_VIEW} WHERE id = ANY($1::uuid[]) AND state > 3", ([old.hex() for old in ids],))
    found = {row[0]: (_view(db, names, row), meta.unpack(row[14])) for row in rows}
    return [_copy(*found[old], new) for old, new in ids.items() if old in found]


def _copy(view: JobView, extra: meta.Meta, new: bytes) -> NewJob:
    return NewJob(
        new, view.task, view.payload, view.queue, view.priority,
        unique=extra.unique, overrides=extra.overrides, tags=extra.tags, parent=view.id, key=view.key,
    )  # fmt: skip


def outcome(db: Db, id: bytes) -> tuple[State, bytes | None] | None:
    """See `oakum.store.base.Store.outcome`."""
    row = db.one("SELECT state, record FROM oakum.job WHERE id = $1::uuid", (id.hex(),))
    return None if row is None else (State(row[0]), row[1])


def _view(db: Db, names: Names, row: Any) -> JobView:
    (
        job_id, task, queue, state, rank, run_at, ended, expires, tries,
        crashes, over, token, payload, record, column, note, key, *_,
    ) = row  # fmt: skip
    extra = meta.unpack(column)
    return JobView(
        id=job_id,
        task=names.text(db, task),
        queue=names.text(db, queue),
        state=State(state),
        priority=~rank,
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
