"""What the reference store keeps: jobs, keys, bells."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from oakum.model.ids import id_wall_ms
from oakum.model.intake import Load
from oakum.model.job import Claimed, JobQuery, JobView, NewJob, State
from oakum.store.base import Count, Flow, Page, Story, Topic
from oakum.store.kept import Scheduled, Start

NO_HOLDER: Final = 0


@dataclass(slots=True)
class Row:
    """One job. `ref` is its place in the order of insertion."""

    ref: int
    new: NewJob
    state: State
    run_at_ms: int
    holder: int = NO_HOLDER
    token: int = 0
    tries: int = 0
    crashes: int = 0
    over: int = 0
    suspect: bool = False
    ended_ms: int | None = None
    keep_until_ms: int | None = None
    record: bytes | None = None
    progress: bytes | None = None
    cancel_asked: bool = False
    placed: bool = False  # whether it has a place of its key
    starts: list[Start] = field(default_factory=list)
    logs: dict[int, bytes] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, int, int]:
        """What comes first in a queue."""
        return -self.new.priority, self.run_at_ms, self.ref

    def copy(self) -> Row:
        """The same once more, which may change by itself."""
        return dataclasses.replace(self, starts=[*self.starts], logs={**self.logs})

    def expired(self, now_ms: int) -> bool:
        """Whether it is too late to start it."""
        return self.new.expires_ms is not None and self.new.expires_ms <= now_ms

    @property
    def claimed(self) -> Claimed:
        """The job as its worker sees it."""
        new = self.new
        return Claimed(
            self.ref, new.id, new.task, new.queue, new.payload, self.token,
            self.tries, self.crashes, self.over, self.suspect, new.overrides, new.tags, new.key, new.expires_ms,
        )  # fmt: skip

    @property
    def view(self) -> JobView:
        """The job as people see it."""
        new = self.new
        return JobView(
            new.id, new.task, new.queue, self.state, new.priority, id_wall_ms(new.id), self.run_at_ms, self.ended_ms,
            new.expires_ms, self.tries, self.crashes, self.over, self.token, new.payload, self.record, new.tags,
            new.parent, self.progress, new.key,
        )  # fmt: skip

    @property
    def story(self) -> Story:
        """The job with its earlier starts and what it printed."""
        log = b"".join(self.logs.values()).decode("utf-8", "replace")
        return Story(self.view, tuple(self.starts), log, self.cancel_asked)


@dataclass(slots=True)
class Key:
    """Who holds a unique or idempotency key; `until_ms` None: as long as that job lives, and then as it says."""

    id: bytes
    until_ms: int | None = None

    def holds(self, now_ms: int) -> bool:
        """Whether nobody else may have the key."""
        return self.until_ms is None or self.until_ms > now_ms


class MemoryBell:
    """See `oakum.store.base.Bell`."""

    echo_s = 0.0

    def __init__(self, bells: list[MemoryBell], topic: Topic) -> None:
        self.topic = topic
        self._bells = bells
        self._rung = threading.Event()

    def ring(self) -> None:
        """Wakes whoever waits."""
        self._rung.set()

    def fileno(self) -> int:
        return -1

    def wait(self, timeout: float) -> bool:
        rung = self._rung.wait(timeout)
        self.drain()
        return rung

    def drain(self) -> None:
        self._rung.clear()

    def close(self) -> None:
        with suppress(ValueError):
            self._bells.remove(self)


def copy(job: NewJob, id: bytes) -> NewJob:
    """A fresh copy of an ended job."""
    return NewJob(
        id, job.task, job.payload, job.queue, job.priority,
        unique=job.unique, overrides=job.overrides, tags=job.tags, parent=job.id, key=job.key,
    )  # fmt: skip


def taking(job: NewJob, other: NewJob) -> NewJob:
    """A waiting job with what another says of its call."""
    return replace(
        job, payload=other.payload, priority=other.priority, expires_ms=other.expires_ms,
        overrides=other.overrides, tags=other.tags,
    )  # fmt: skip


def find(rows: Iterable[Row], query: JobQuery) -> Page:
    """See `oakum.store.base.Store.jobs`."""
    views = sorted((row.view for row in rows), key=lambda view: view.id, reverse=True)
    found = tuple(view for view in views if _fits(view, query))[: query.limit]
    return Page(found, found[-1].id if len(found) == query.limit else None)


def _fits(view: JobView, query: JobQuery) -> bool:
    return (
        (not query.states or view.state in query.states)
        and (query.task is None or view.task == query.task)
        and (query.queue is None or view.queue == query.queue)
        and (query.tag is None or query.tag in view.tags)
        and (query.before is None or view.id < query.before)
    )


def load(rows: Iterable[Row], queue: str) -> Load:
    """What a queue holds."""
    living = [row for row in rows if row.new.queue == queue and not row.state.terminal]
    running = [len(row.new.payload) for row in living if row.state is State.RUNNING]
    return Load(len(living), sum(len(row.new.payload) for row in living), len(running), sum(running))


def counts(rows: Iterable[Row]) -> list[Count]:
    """How many there are, by queue, task and state."""
    jobs, sizes = Counter[tuple[str, str, State]](), Counter[tuple[str, str, State]]()
    for row in rows:
        jobs[row.new.queue, row.new.task, row.state] += 1
        sizes[row.new.queue, row.new.task, row.state] += len(row.new.payload)
    return [Count(*key, number, sizes[key]) for key, number in jobs.items()]


def flows(rows: Iterable[Row], gone: Counter[tuple[str, str]]) -> list[Flow]:
    """What has gone through; `gone` are the pruned ones."""
    arrived, ended = Counter(gone), Counter(gone)
    oldest: dict[tuple[str, str], int] = {}
    for row in rows:
        pair = row.new.queue, row.new.task
        arrived[pair] += 1
        ended[pair] += row.state.terminal
        if row.state is State.AVAILABLE:
            oldest[pair] = min(row.run_at_ms, oldest.get(pair, row.run_at_ms))
    return [Flow(*pair, count, ended[pair], oldest.get(pair)) for pair, count in arrived.items()]


def over(rows: Iterable[Row], now_ms: int) -> list[Row]:
    """The rows whose retention is over, in the order in which it was."""
    found = [(row.keep_until_ms, row.ref, row) for row in rows if row.keep_until_ms is not None]
    return [row for until_ms, _, row in sorted(found, key=lambda each: each[:2]) if until_ms <= now_ms]


def page(rows: Iterable[Scheduled], due_ms: int | None, after: str) -> list[Scheduled]:
    """Schedules by name from beyond `after`, or those that are due, earliest first."""
    if due_ms is None:
        return sorted((row for row in rows if row.name > after), key=lambda row: row.name)
    due = [(row.next_ms, row.name, row) for row in rows if row.next_ms is not None and row.next_ms <= due_ms]
    return [row for _, _, row in sorted(due, key=lambda each: each[:2])]
