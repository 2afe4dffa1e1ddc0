"""Reads a store and acts on it, for people: overview, listings, one job's story, cancel, retry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from oakum.clock import Clock
from oakum.errors import QueueFull, StoreError
from oakum.host.identity import Process, is_gone, myself
from oakum.inspector.bound import Bound
from oakum.inspector.capacity import Capacity, capacity
from oakum.inspector.dead import DeadGroup, fingerprint_of, group
from oakum.inspector.overview import overview, worker_row
from oakum.inspector.queues import Queues
from oakum.inspector.schedules import Schedules
from oakum.inspector.story import job_row, job_story
from oakum.inspector.tasks import Tasks
from oakum.inspector.views import JobPage, JobRow, JobStory, Overview, WorkerRow
from oakum.model.capacity import History
from oakum.model.ids import id_text, id_wall_ms
from oakum.model.job import JobQuery, JobView, State
from oakum.run.worker.sampler import MEMO, crew_of
from oakum.store.base import Instant, Store
from oakum.store.ids import IdSource

AT_ONCE: Final = 1000  # jobs that are cancelled or retried in one transaction


class Retried(NamedTuple):
    """Copies of ended jobs, old id to new; and why there are not more of them, where a queue is full."""

    copies: Mapping[bytes, bytes]
    full: str = ""


class Inspector:
    """One store, as people see it; `queues`, `tasks` and `schedules` are its own, `bound` is that of the whole store.

    All verbs raise StoreError when the store fails.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._ids = IdSource()
        self._here = myself()
        self.queues, self.tasks, self.schedules = Queues(store), Tasks(store), Schedules(store, clock)
        self.bound = Bound(store)

    def now_ms(self) -> int:
        """Wall milliseconds by the inspector's clock."""
        return self._now().wall_ms

    # -- reading -----------------------------------------------------------------------------------------------------

    def overview(self) -> Overview:
        """Workers, queues, tasks and warnings. Costs the same however many jobs there are."""
        store = self._store
        found = overview(
            self._now().wall_ms, store.durability, self._workers(), store.counts(), store.stats(),
            self.queues.all(), store.rules("task"), store.spent(self._now()),
        )  # fmt: skip
        shut = store.moving.notice()
        notes = (*(() if shut is None else (str(shut),)), *store.warnings(), *found.notes)
        return msgspec.structs.replace(found, schedules=self.schedules.ticking(), notes=notes)

    def capacity(self) -> Capacity:
        """What is asked of the workers and what they can do. Costs the same however many jobs there are."""
        store = self._store
        crews = [crew for holder in store.holders() if (crew := crew_of(holder)) is not None]
        return capacity(
            self._now().wall_ms,
            History.decode(store.memo(MEMO)),
            crews,
            store.stats(),
            store.flows(),
            store.rules("queue"),
            store.space(),
            self.schedules.planned(),
        )

    def jobs(self, query: JobQuery) -> JobPage:
        """The newest jobs that `query` describes, `query.limit` of them where there are as many."""
        found: list[JobRow] = []
        while True:
            page = self._store.jobs(query)
            found += [job_row(view) for view in page.jobs]
            if page.before is None or len(page.jobs) == query.limit:
                return JobPage(tuple(found), id_text(page.before) if page.before is not None else None)
            query = msgspec.structs.replace(query, before=page.before, limit=query.limit - len(page.jobs))

    def story(self, id: bytes, *, with_call: bool = False) -> JobStory:
        """Everything kept of one job; its arguments and its result only `with_call`. Raises StoreError when it is not there."""
        story = self._store.story(id)
        if story is None:
            raise StoreError(
                f"job {id_text(id)}: not in the store (any more); ended jobs are kept for their result_ttl"
            )
        return job_story(story, self._workers() if story.job.state is State.RUNNING else (), with_call=with_call)

    def state(self, id: bytes) -> State | None:
        """Where a job stands, None when it is not in the store."""
        found = self._store.outcome(id)
        return found[0] if found is not None else None

    def count(self, query: JobQuery) -> int:
        """How many jobs `query` describes, whatever its limit: without a tag at once, with one by looking at each."""
        if query.tag is not None:
            return sum(len(ids) for ids in self.ids(query))
        return sum(
            count.jobs
            for count in self._store.counts()
            if (not query.states or count.state in query.states)
            and query.task in (None, count.task)
            and query.queue in (None, count.queue)
        )

    def ids(self, query: JobQuery) -> Iterator[Sequence[bytes]]:
        """The ids of all jobs that `query` describes, whatever its limit, in batches for `cancel` and `retry`."""
        for views in self._batches(query):
            yield [view.id for view in views]

    def dead(self, query: JobQuery) -> list[DeadGroup]:
        """The failures that `query` describes, grouped by cause, the largest group first. Looks at each."""
        return group(view for views in self._batches(query) for view in views)

    def dead_ids(self, query: JobQuery, fingerprint: str) -> Iterator[Sequence[bytes]]:
        """The ids of all failures of one cause, in batches. Looks at each that `query` describes."""
        for views in self._batches(query):
            ids = [view.id for view in views if fingerprint_of(view) == fingerprint]
            if ids:
                yield ids

    def _batches(self, query: JobQuery) -> Iterator[Sequence[JobView]]:
        """Without the copies that were made after this began: one that has failed again at once is not retried again."""
        query, began_ms = msgspec.structs.replace(query, limit=AT_ONCE), self.now_ms()
        while True:
            page = self._store.jobs(query)
            if views := [view for view in page.jobs if view.parent is None or id_wall_ms(view.id) < began_ms]:
                yield views
            if page.before is None:
                return
            query = msgspec.structs.replace(query, before=page.before)

    # -- acting ------------------------------------------------------------------------------------------------------

    def cancel(self, ids: Sequence[bytes]) -> Mapping[bytes, State]:
        """Cancels waiting jobs at once and asks for it where they run; the state of each after it, without unknown ones."""
        return self._store.cancel(ids, self._now())

    def retry(self, ids: Sequence[bytes]) -> Retried:
        """Inserts a fresh copy of each ended job, as many as there is room for. See `oakum.store.base.Store.retry` for who
        is left out."""
        now = self._now()
        try:
            return self._still_there(self._store.retry({old: self._ids.new(now.wall_ms) for old in ids}, now))
        except QueueFull as full:
            if len(ids) == 1:
                return Retried({}, str(full))
        first, second = (self.retry(part) for part in (ids[: len(ids) // 2], ids[len(ids) // 2 :]))
        return Retried({**first.copies, **second.copies}, second.full or first.full)

    def _still_there(self, copies: Mapping[bytes, bytes]) -> Retried:
        """Without those copies that a full queue let go of at once."""
        if not any(each.rules.on_full == "drop_newest" for each in self._store.rules("queue").values()):
            return Retried(copies)
        kept = {old: new for old, new in copies.items() if self.state(new) is not State.EXPIRED}
        return Retried(
            kept, "their queue is full and drops what comes (drop_newest)" if len(kept) < len(copies) else ""
        )

    def forget(self, ids: Sequence[bytes]) -> int:
        """Lets ended jobs go before their time, and whatever else is past its own; how many of these were to be kept."""
        now = self._now()
        forgotten = self._store.forget(ids, now)
        while self._store.prune(now, AT_ONCE) == AT_ONCE:
            pass
        return forgotten

    def _workers(self) -> tuple[WorkerRow, ...]:
        now_ms = self._now().wall_ms
        return tuple(
            worker_row(holder, is_gone(Process(*msgspec.structs.astuple(holder.identity)), self._here), now_ms)
            for holder in self._store.holders()
        )

    def _now(self) -> Instant:
        return Instant.read(self._clock)
