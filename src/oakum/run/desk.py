"""The caller's side of the store: where jobs are handed in and asked after. Every handle and every task holds one."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from oakum.clock import Clock
from oakum.errors import QueueFull, StoreError, UsageError, WaitInsideJob, WaitTimeout
from oakum.model.bounds import NO_RULES, Ruled, RuleKind, Rules
from oakum.model.ids import id_text
from oakum.model.job import NewJob, State
from oakum.model.progress import Progress, decode_progress
from oakum.run.context import inside
from oakum.run.delivery import Delivery, abatches, acknowledging, batches
from oakum.run.door import POLL_S, Door, Ear
from oakum.run.rules import DEFAULT_BLOCK_S, RuleOptions, TaskRuleOptions, overfull, read_rules
from oakum.store.base import Instant, Mark, Store, TransactionalStore
from oakum.store.ids import IdSource
from oakum.store.open import open_store
from oakum.units import Duration, parse_duration


class Line(Protocol):
    """The way out of a running job: its jobs are stored by the worker, and acknowledged after the commit."""

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]: ...
    def on_success(self, job: NewJob) -> None: ...


class Desk:
    """One application's access to its store. In a running job `line` is set, and only handing in is possible.

    `declared` are the rules that the code has, by kind and name; `block_s` the seconds for which callers wait for room in
    a queue, where its declaration says so.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self.url, self.clock = url, clock
        self.ids = IdSource()
        self.line: Line | None = None
        self.declared: dict[RuleKind, dict[str, Rules]] = {}
        self.block_s: dict[str, float] = {}
        self._store: Store = open_store(url)
        self._told = True  # whether the store knows what is declared
        self._door = Door(lambda: self._store.listen("room"), self._patience)

    @property
    def store(self) -> Store:
        """The store. Inside a job it is out of reach, by design: children hold no connection."""
        if self.line is not None:
            raise UsageError("inside a job only enqueue reaches the store; ask for the rest from outside")
        return self._store

    @contextlib.contextmanager
    def instead(self, store: Store, clock: Clock) -> Iterator[None]:
        """Lends another store and clock, for tests: nobody else is there who could make room."""
        before = self._store, self.clock, self._told, self._door.alone
        self._store, self.clock, self._told, self._door.alone = store, clock, not self.declared, True
        try:
            yield
        finally:
            self._store, self.clock, self._told, self._door.alone = before

    def now(self) -> Instant:
        """The present moment of the application's clock."""
        return Instant.read(self.clock)

    # -- handing in --------------------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]:
        """Stores jobs, all or none, without waiting for room; see `oakum.store.base.Store.insert`."""
        if self.line is not None:
            return self.line.insert(jobs)
        if not self._told:
            self._tell()
        return self._store.insert(jobs, self.now())

    async def _ainsert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]:
        """`insert`, in a thread."""
        if self.line is not None:
            return self.line.insert(jobs)
        import asyncio  # here and below, not above: it is a third of a small process, and most publishers are not async

        return await asyncio.to_thread(self.insert, jobs)

    def insert_one(self, job: NewJob, block_s: float | None = None) -> bytes:
        """Stores one job, waiting for room; answers its id, or that of the job that holds its key already."""
        delivery = Delivery([job], block_s)
        self._door.deliver(delivery, self.insert)
        return delivery.marks[0].id if delivery.marks else job.id

    async def ainsert_one(self, job: NewJob, block_s: float | None = None) -> bytes:
        """`insert_one` for asyncio."""
        delivery = Delivery([job], block_s)
        await self._door.adeliver(delivery, self._ainsert)
        return delivery.marks[0].id if delivery.marks else job.id

    def insert_within(self, connection: object, job: NewJob) -> bytes:
        """`insert_one`, within a transaction of the caller's; see `oakum.store.base.TransactionalStore`."""
        store = self.store
        if not hasattr(store, "insert_within"):
            raise UsageError(
                "using(connection=...): this store has no transactions to share; SQLite and PostgreSQL have"
            )
        if not self._told:
            self._tell()
        marks = cast(TransactionalStore, store).insert_within(connection, [job], self.now())
        return marks[0].id if marks else job.id

    def insert_many(self, jobs: Iterable[NewJob]) -> int:
        """Stores any number of jobs, a bounded batch at a time; see `Oakum.enqueue_many`."""
        stored = 0
        for batch in batches(jobs):
            delivery = Delivery(batch)
            with acknowledging(stored, delivery):
                self._door.deliver(delivery, self.insert)
            stored += len(batch)
        return stored

    async def ainsert_many(self, jobs: Iterable[NewJob] | AsyncIterable[NewJob]) -> int:
        """`insert_many` for asyncio; an iterable that is not async is read in a thread."""
        stored = 0
        async for batch in abatches(jobs):
            delivery = Delivery(batch)
            with acknowledging(stored, delivery):
                await self._door.adeliver(delivery, self._ainsert)
            stored += len(batch)
        return stored

    def on_success(self, job: NewJob) -> None:
        """Keeps a job until the running one completes."""
        if self.line is None:
            raise UsageError("using: on_success=True is for a job that enqueues another; here no job is running")
        self.line.on_success(job)

    # -- rules -------------------------------------------------------------------------------------------------------

    def declare(self, kind: RuleKind, name: str, rules: Rules) -> None:
        """Notes rules that the code has. The store is told before the next job goes in, and by each worker that starts."""
        self.declared.setdefault(kind, {})[name] = rules
        self._told = False

    def ruled(self, kind: RuleKind) -> Mapping[str, Ruled]:
        """All rules of a kind that the store has."""
        if not self._told:
            self._tell()
        return self.store.rules(kind)

    def rules(self, kind: RuleKind, name: str) -> Rules:
        """The rules in force."""
        ruled = self.ruled(kind).get(name)
        return self.declared.get(kind, {}).get(name, NO_RULES) if ruled is None else ruled.rules

    def configure(self, kind: RuleKind, name: str, options: RuleOptions | TaskRuleOptions) -> None:
        """Puts the rules in force with what `options` say instead. Raises UsageError for what makes no sense."""
        self.override(kind, name, read_rules(options, f"{kind} {name}", self.rules(kind, name)))

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        """Puts rules in force instead of those declared, None for those again."""
        self.store.override(kind, name, rules)

    def _tell(self) -> None:
        """What is declared comes to the store, once in a process. Tasks' limits concern workers, which bring them."""
        for kind in ("queue", "store"):
            if kind in self.declared:
                self._store.declare(kind, self.declared[kind])
        self._told = True
        for line in overfull(self._store, self.declared.get("queue", {})):
            warnings.warn(line, RuntimeWarning, stacklevel=2)

    def _patience(self, full: QueueFull, block_s: float | None) -> float:
        if self.line is not None:
            return 0.0  # a job that waited would keep its place from those that make room
        return self.block_s.get(full.queue, DEFAULT_BLOCK_S) if block_s is None else block_s

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
        with contextlib.closing(Ear(self.store.listen("results"))) as ear:
            while not (found := await asyncio.to_thread(self.look, job_id))[0].terminal:
                await ear.wait(POLL_S)
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
