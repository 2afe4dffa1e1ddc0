"""What people ask of the store: listings, one job's story, counts. Every answer is bounded, and so is every look."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw

from oakum.model.job import JobQuery, JobView, State
from oakum.store.base import Count, Flow, Page, Story
from oakum.store.kept import Start
from oakum.store.redis.records import Names, Record, decode, decode_all, decode_names
from oakum.store.redis.wire import blob

LOOKED_AT: Final = 20_000  # jobs, for one page
_PAGES_AT_ONCE: Final = 8
_ENDED: Final = struct.Struct(">Q")


def jobs(pages: Callable[[Raw, int], Any], query: JobQuery) -> Page:
    """See `oakum.store.base.Store.jobs`. `pages` asks for the pages of ids below one, the last first."""
    below = b"+" if query.before is None else b"(" + query.before
    looked = 0
    found: list[JobView] = []
    while looked < LOOKED_AT:
        names, notes, parts = pages(blob(below), _PAGES_AT_ONCE)
        progress = dict(zip(notes[::2], notes[1::2], strict=True))
        texts = decode_names(names)
        for first, pairs in parts:
            looked += len(pairs) // 2
            for job in sorted(decode_all(pairs), key=lambda job: job.id, reverse=True):
                if _fits(job, texts, query):
                    found.append(job.view(texts, progress.get(b"%d" % job.ref)))
                    if len(found) == query.limit:
                        return Page(tuple(found), job.id)
            below = b"(" + first
        if len(parts) < _PAGES_AT_ONCE:
            return Page(tuple(found))
    return Page(tuple(found), below[1:])


def story(id: bytes, answer: Any) -> Story | None:
    """See `oakum.store.base.Store.story`."""
    if answer is None:
        return None
    raw, names, note, fields = answer
    job = decode(id, raw)
    starts: list[Start] = []
    logs: list[tuple[int, bytes]] = []
    for field, value in zip(fields[::2], fields[1::2], strict=True):
        kind, _, token = field.partition(b":")
        if kind == b"log":
            logs.append((int(token), value))
        else:
            starts.append(Start(int(token), _ENDED.unpack_from(value)[0], value[_ENDED.size :]))
    return Story(
        job=job.view(decode_names(names), note),
        starts=tuple(sorted(starts, key=lambda start: start.token)),
        log=b"".join(text for _, text in sorted(logs)).decode("utf-8", "replace"),
        cancel_asked=job.cancel_asked,
    )


def counts(names: Any, jobs: Any, bytes: Any) -> list[Count]:
    """See `oakum.store.base.Store.counts`; the numbers go by queue:task:state."""
    texts = decode_names(names)
    sizes = dict(zip(bytes[::2], bytes[1::2], strict=True))
    found: list[Count] = []
    for field, number in zip(jobs[::2], jobs[1::2], strict=True):
        queue, task, state = map(int, field.split(b":"))
        found.append(Count(texts[queue], texts[task], State(state), int(number), int(sizes.get(field, 0))))
    return found


def flows(names: Any, jobs: Any, gone: Any, oldest: Any) -> list[Flow]:
    """See `oakum.store.base.Store.flows`; the numbers go by queue:task:state and by queue:task."""
    texts = decode_names(names)
    pruned = {key: int(number) for key, number in zip(gone[::2], gone[1::2], strict=True)}
    first = dict(zip(oldest[::2], oldest[1::2], strict=True))
    arrived, ended = Counter(pruned), Counter(pruned)
    for field, number in zip(jobs[::2], jobs[1::2], strict=True):
        key, _, state = field.rpartition(b":")
        arrived[key] += int(number)
        if State(int(state)).terminal:
            ended[key] += int(number)
    found: list[Flow] = []
    for key, number in arrived.items():
        queue, task = map(int, key.split(b":"))
        found.append(Flow(texts[queue], texts[task], number, ended[key], first.get(key)))
    return found


def _fits(job: Record, names: Names, query: JobQuery) -> bool:
    return (
        (query.before is None or job.id < query.before)
        and (not query.states or job.state in query.states)
        and (query.task is None or names[job.task] == query.task)
        and (query.queue is None or names[job.queue] == query.queue)
        and (query.tag is None or query.tag in job.tags)
    )
