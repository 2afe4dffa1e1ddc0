"""The caller's side of the store: where jobs are handed in and asked after. Every handle and every task holds one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, cast

from oakum.clock import Clock
from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError, UsageError, WaitInsideJob, WaitTimeout
from oakum.model.ids import id_text
from oakum.model.job import NewJob, State
from oakum.model.progress import Progress, decode_progress
from oakum.run.context import inside
from oakum.store.base import Instant, Mark, Store, TransactionalStore, chunks
from oakum.store.ids import IdSource
from oakum.store.open import open_store
from oakum.units import Duration, parse_duration

BATCH_JOBS: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
POLL_S: Final = 0.25  # beneath the bell, which may miss


class Line(Protocol):
    """The way out of a running job: its jobs are stored by the worker, and acknowledged after the commit."""

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]: ...
    def on_success(self, job: NewJob) -> None: ...


class Desk:
    """One application's access to its store. In a running job `line` is set, and only handing in is possible."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url, self.clock = url, clock
        self.ids = IdSource()
        self.line: Line | None = None
        self._store: Store = open_store(url)

    @property
    def store(self) -> Store:
        """The store. Inside a job it is out of reach, by design: children hold no connection."""
        if self.line is not None:
            raise UsageError("inside a job only enqueue reaches the store; ask for the rest from outside")
        return self._store

    @contextlib.contextmanager
    def instead(self, store: Store, clock: Clock) -> Iterator[None]:
        """Lends another store and clock, for tests."""
        before = self._store, self.clock
        self._store, self.clock = store, clock
        try:
            yield
        finally:
            self._store, self.clock = before

    def now(self) -> Instant:
        """The present moment of the application's clock."""
        return Instant.read(self.clock)

    # -- handing in --------------------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]:
        """Stores jobs, all or none; see `oakum.store.base.Store.insert`."""
        if self.line is not None:
            return self.line.insert(jobs)
        return self._store.insert(jobs, self.now())

    def insert_one(self, job: NewJob) -> bytes:
        """Stores one job; answers its id, or that of the job that holds its key already."""
        marks = self.insert([job])
        return marks[0].id if marks else job.id

    def insert_within(self, connection: object, job: NewJob) -> bytes:
        """`insert_one`, within a transaction of the caller's; see `oakum.store.base.TransactionalStore`."""
        store = self.store
        if not hasattr(store, "insert_within"):
            raise UsageError("using(connection=...): this store has no transactions to share; SQLite and PostgreSQL have")
        marks = cast(TransactionalStore, store).insert_within(connection, [job], self.now())
        return marks[0].id if marks else job.id

    async def ainsert_one(self, job: NewJob) -> bytes:
        """`insert_one`, in a thread."""
        if self.line is not None:
            return self.insert_one(job)
        import asyncio  # here and below, not above: it is a third of a small process, and most publishers are not async

        return await asyncio.to_thread(self.insert_one, job)

    def insert_many(self, jobs: Iterable[NewJob]) -> int:
        """Stores any number of jobs, a bounded batch at a time; see `Oakum.enqueue_many`."""
        stored = 0
        for batch in chunks(jobs, BATCH_JOBS, BATCH_BYTES):
            try:
                self.insert(batch)
            except (NotEnqueued, EnqueueUnknown) as error:
                error.acknowledged = stored
                raise
            stored += len(batch)
        return stored

    def on_success(self, job: NewJob) -> None:
        """Keeps a job until the running one completes."""
        if self.line is None:
            raise UsageError("using: on_success=True is for a job that enqueues another; here no job is running")
        self.line.on_success(job)

    # -- asking ------------------------------------------------------------------------------------------------------

    def look(self, job_id: bytes) -> tuple[State, bytes | None]:
        """A job's state and last record. Raises StoreError when it is not there (any more)."""
        found = self.store.outcome(job_id)
        if found is None:
            raise StoreError(
                f"job {id_text(job_id)}: not in the store (any more); ended jobs are kept for their result_ttl"
            )
        return found

    def cancel(self, ids: Sequence[bytes]) -> Mapping[bytes, State]:
        """Cancels jobs; answers their states just after. Raises StoreError when one of them is not there (any more)."""
        states = self.store.cancel(ids, self.now())
        for each in ids:
            if each not in states:
                self.look(each)
        return states

    def progress(self, job_id: bytes) -> Progress | None:
        """What a running job last said of its progress."""
        story = self.store.story(job_id)
        return decode_progress(story.job.progress) if story is not None and story.job.progress is not None else None

    def wait(self, job_id: bytes, timeout: Duration | None) -> tuple[State, bytes | None]:
        """Blocks until a job has ended; see `Job.wait`."""
        _refuse_inside()
        deadline = None if timeout is None else time.monotonic() + parse_duration(timeout, name="timeout", zero=True)
        found = self.look(job_id)
        if found[0].terminal:
            return found
        bell = self.store.listen("results")
        try:
            while not (found := self.look(job_id))[0].terminal:
                left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
                if left <= 0:
                    raise WaitTimeout(f"job {id_text(job_id)}: still not ended after {timeout}")
                bell.wait(left)
        finally:
            bell.close()
        return found

    async def await_(self, job_id: bytes) -> tuple[State, bytes | None]:
        """`wait` for asyncio, without an end of its own: put `asyncio.timeout` around it."""
        import asyncio

        _refuse_inside()
        found = await asyncio.to_thread(self.look, job_id)
        if found[0].terminal:
            return found
        bell = self.store.listen("results")
        loop, rung = asyncio.get_running_loop(), asyncio.Event()
        if bell.fileno() >= 0:
            loop.add_reader(bell.fileno(), rung.set)
        try:
            while not (found := await asyncio.to_thread(self.look, job_id))[0].terminal:
                if bell.fileno() < 0:
                    await asyncio.to_thread(bell.wait, POLL_S)
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), POLL_S)
                rung.clear()
                bell.drain()
        finally:
            if bell.fileno() >= 0:
                loop.remove_reader(bell.fileno())
            bell.close()
        return found

    def close(self) -> None:
        """Closes the store's files; the next use opens them again."""
        self._store.close()


def _refuse_inside() -> None:
    if inside() is not None:
        raise WaitInsideJob(
            "a job may not wait for another: all children could end up waiting. Split it: enqueue what comes after"
            " with using(on_success=True)"
        )
