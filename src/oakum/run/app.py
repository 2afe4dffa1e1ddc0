"""The application: its store and its tasks. One object that the user makes; nothing in Oakum is global beside it."""

from __future__ import annotations

import contextlib
import inspect
import sys
import time
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, overload

from oakum.clock import Clock, SystemClock
from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError, UnknownTask, UsageError, WaitInsideJob, WaitTimeout
from oakum.events import Listener
from oakum.model.ids import id_text, parse_id
from oakum.model.job import DEFAULT_QUEUE, NewJob, State
from oakum.model.progress import Progress, decode_progress
from oakum.model.task import (
    DEFAULT_CRASH_BUDGET,
    DEFAULT_HEADROOM,
    DEFAULT_RESULT_TTL_S,
    DEFAULT_TIMEOUT_S,
    TaskSpec,
)
from oakum.run.context import Context, inside
from oakum.run.handle import Job
from oakum.run.options import Retries, check_name, check_priority, read_retries
from oakum.run.signature import MAX_PAYLOAD, plain
from oakum.run.task import P, R, Task
from oakum.store.base import Instant, Mark, Store, chunks
from oakum.store.ids import IdSource
from oakum.store.open import open_store
from oakum.units import Duration, Size, parse_duration, parse_size

Middleware = Callable[[Context, Callable[[], Any]], Any]
Hook = Callable[[], None]
F = TypeVar("F", bound=Callable[..., Any])

BATCH_JOBS: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
DEFAULT_CONCURRENCY: Final = 16
POLL_S: Final = 0.25  # beneath the bell, which may miss


class Inside(Protocol):
    """The way out of a running job: its jobs are stored by the worker, and acknowledged after the commit."""

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]: ...
    def on_success(self, job: NewJob) -> None: ...


class Declare(Protocol):
    """What `app.task(...)` with options gives: a decorator."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R, R]: ...


class Oakum:
    """An application: `Oakum("sqlite:///work.db")`.

    `store` is the URL of the place where jobs live; it is opened when it is first needed, anew in each process.
    `max_payload` and `max_result` bound what one job's arguments and value may take.
    """

    def __init__(
        self,
        store: str = "sqlite:///oakum.db",
        *,
        max_payload: Size = MAX_PAYLOAD,
        max_result: Size = "1MiB",
        clock: Clock | None = None,
    ) -> None:
        self.url = store
        self.max_payload = parse_size(max_payload, name="max_payload")
        self.max_result = parse_size(max_result, name="max_result")
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.tasks: dict[str, Task[Any, Any, Any]] = {}
        self.ids = IdSource()
        self.middlewares: list[Middleware] = []
        self.child_start_hooks: list[Hook] = []
        self.child_stop_hooks: list[Hook] = []
        self.listeners: list[Listener] = []
        self.line: Inside | None = None
        self._store: Store = open_store(store)

    def __repr__(self) -> str:
        return f"<Oakum {self.url}, {len(self.tasks)} tasks>"

    @property
    def store(self) -> Store:
        """The store. Inside a job it is out of reach, by design: children hold no connection."""
        if self.line is not None:
            raise UsageError("inside a job only enqueue reaches the store; ask for the rest from outside")
        return self._store

    @contextlib.contextmanager
    def instead(self, store: Store, clock: Clock) -> Iterator[Oakum]:
        """Lends the application another store and clock, for tests."""
        before = self._store, self.clock
        self._store, self.clock = store, clock
        try:
            yield self
        finally:
            self._store, self.clock = before

    def now(self) -> Instant:
        """The present moment of the application's clock."""
        return Instant.read(self.clock)

    # -- declaring ------------------------------------------------------------------------------------------------

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R, R]: ...
    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        queue: str = DEFAULT_QUEUE,
        priority: int = 0,
        memory: Size | None = None,
        memory_max: Size | None = None,
        headroom: Size = DEFAULT_HEADROOM,
        timeout: Duration | None = DEFAULT_TIMEOUT_S,
        kill_after: Duration = 1.0,
        retries: Retries = 0,
        crashes: int = DEFAULT_CRASH_BUDGET,
        expires: Duration | None = None,
        result_ttl: Duration = DEFAULT_RESULT_TTL_S,
        concurrency: int = DEFAULT_CONCURRENCY,
        raises: Sequence[type[BaseException]] = (),
        aliases: Sequence[str] = (),
    ) -> Declare: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Makes a function a task. Plain calls stay plain calls.

        `name`: its name in the store, module and qualified name otherwise; `aliases`: names it had before. `queue`,
        `priority` (higher runs sooner), `expires`: as `using` takes them. `memory`: what one job may add to its child;
        learned where it is not given. `memory_max`: up to where a job that went over is tried again with more.
        `headroom`: what ring 1 leaves for thread stacks and for what maps memory without touching it. `timeout`: after
        which SoftTimeout is raised in the task, None for no limit; `kill_after`: how much later its process group is
        killed. `retries`: a count, a `Retry`, or one of these for each exception type. `crashes`: how often it may take
        its process with it before it is quarantined. `result_ttl`: how long an ended job is kept. `concurrency`: how many
        jobs of an `async def` task share one loop. `raises`: exception classes of the task's own that waiting for it
        raises again. Raises UsageError for anything that makes no sense.
        """
        if function is not None:
            return self._declare(function)
        return lambda wrapped: self._declare(wrapped, **options)

    def _declare(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        queue: str = DEFAULT_QUEUE,
        priority: int = 0,
        memory: Size | None = None,
        memory_max: Size | None = None,
        headroom: Size = DEFAULT_HEADROOM,
        timeout: Duration | None = DEFAULT_TIMEOUT_S,
        kill_after: Duration = 1.0,
        retries: Retries = 0,
        crashes: int = DEFAULT_CRASH_BUDGET,
        expires: Duration | None = None,
        result_ttl: Duration = DEFAULT_RESULT_TTL_S,
        concurrency: int = DEFAULT_CONCURRENCY,
        raises: Sequence[type[BaseException]] = (),
        aliases: Sequence[str] = (),
    ) -> Task[Any, Any, Any]:
        own_name = check_name(name if name is not None else _name_of(function), "task name")
        exceptions, rules = read_retries(retries)
        if crashes < 1 or concurrency < 1:
            raise UsageError(f"task {own_name}: crashes and concurrency are counts of at least 1")
        limit = None if memory is None else parse_size(memory, name="memory")
        ceiling = None if memory_max is None else parse_size(memory_max, name="memory_max")
        if ceiling is not None and limit is not None and ceiling < limit:
            raise UsageError(f"task {own_name}: memory_max={memory_max!r} is less than memory={memory!r}")
        spec = TaskSpec(
            name=own_name,
            queue=check_name(queue, "queue"),
            priority=check_priority(priority),
            memory=limit,
            memory_max=ceiling,
            headroom=parse_size(headroom, name="headroom"),
            timeout_s=0.0 if timeout is None else parse_duration(timeout, name="timeout"),
            kill_after_s=parse_duration(kill_after, name="kill_after"),
            retry=rules,
            crash_budget=crashes,
            result_ttl_s=parse_duration(result_ttl, name="result_ttl", zero=True),
            concurrency=concurrency if inspect.iscoroutinefunction(function) else 0,
            aliases=tuple(check_name(alias, "alias") for alias in aliases),
            signature=str(inspect.signature(function)),
        )
        expires_ms = None if expires is None else round(parse_duration(expires, name="expires") * 1000)
        task: Task[Any, Any, Any] = Task(self, function, spec, exceptions, expires_ms, tuple(raises))
        for each in (own_name, *spec.aliases):
            if each in self.tasks and self.tasks[each].function is not function:
                raise UsageError(f"task {each}: declared twice; give one of them another name=")
            self.tasks[each] = task
        return task

    def middleware(self, function: Middleware) -> Middleware:
        """Wraps every job: `function(job, call_next)` answers `call_next()`, or not. The first declared is the outermost."""
        self.middlewares.append(function)
        return function

    def on_child_start(self, function: Hook) -> Hook:
        """Calls `function` in each child before its first job: open here what must not cross a fork."""
        self.child_start_hooks.append(function)
        return function

    def on_child_stop(self, function: Hook) -> Hook:
        """Calls `function` in each child that ends in peace."""
        self.child_stop_hooks.append(function)
        return function

    def on_event(self, listener: Listener) -> Listener:
        """Calls `listener` with each event of the worker (`oakum.events`), in a process of its own beside the children."""
        self.listeners.append(listener)
        return listener

    def find_task(self, name: str) -> Task[Any, Any, Any]:
        """The task of a name or alias. Raises UnknownTask, naming those that there are."""
        task = self.tasks.get(name)
        if task is None:
            known = ", ".join(sorted(self.tasks)[:10]) or "none"
            raise UnknownTask(f"task {name!r}: this application declares none of that name; it has {known}")
        return task

    # -- storing --------------------------------------------------------------------------------------------------

    def enqueue_many(self, jobs: Iterable[NewJob]) -> int:
        """Stores jobs made by `Task.job`, from any iterable, a bounded batch at a time; answers how many were stored or
        were there already.

        Raises NotEnqueued or EnqueueUnknown, whose `acknowledged` says how many of the first jobs are certainly stored.
        """
        stored = 0
        for batch in chunks(jobs, BATCH_JOBS, BATCH_BYTES):
            try:
                self._insert(batch)
            except (NotEnqueued, EnqueueUnknown) as error:
                error.acknowledged = stored
                raise
            stored += len(batch)
        return stored

    async def aenqueue_many(self, jobs: Iterable[NewJob] | AsyncIterable[NewJob]) -> int:
        """`enqueue_many` for asyncio, which takes an async iterable too."""
        import asyncio

        if not isinstance(jobs, AsyncIterable):
            return await asyncio.to_thread(self.enqueue_many, jobs)
        stored, batch = 0, list[NewJob]()
        async for job in jobs:
            batch.append(job)
            if len(batch) == BATCH_JOBS:
                stored, batch = await self._next_batch(batch, stored), []
        return await self._next_batch(batch, stored)

    async def _next_batch(self, batch: list[NewJob], stored: int) -> int:
        import asyncio

        try:
            return stored + await asyncio.to_thread(self.enqueue_many, batch)
        except (NotEnqueued, EnqueueUnknown) as error:
            error.acknowledged = stored
            raise

    def insert_one(self, job: NewJob) -> bytes:
        """Stores one job; answers its id, or that of the job that holds its key already."""
        marks = self._insert([job])
        return marks[0].id if marks else job.id

    async def ainsert_one(self, job: NewJob) -> bytes:
        """`insert_one`, in a thread."""
        if self.line is not None:
            return self.insert_one(job)
        import asyncio

        return await asyncio.to_thread(self.insert_one, job)

    def _insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]:
        if self.line is not None:
            return self.line.insert(jobs)
        return self._store.insert(jobs, self.now())

    def store_on_success(self, job: NewJob) -> None:
        """Keeps a job until the running one completes."""
        if self.line is None:
            raise UsageError("using: on_success=True is for a job that enqueues another; here no job is running")
        self.line.on_success(job)

    # -- asking ---------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job[Any]:
        """The handle of a stored job. Raises UsageError for what is no id."""
        return Job(self, parse_id(job_id))

    def cancel_jobs(self, ids: Sequence[bytes]) -> Mapping[bytes, State]:
        """Cancels jobs; raises StoreError when one of them is not (any longer) there."""
        states = self.store.cancel(ids, self.now())
        for each in ids:
            if each not in states:
                raise StoreError(f"job {id_text(each)}: not in the store (any more)")
        return states

    def job_progress(self, job_id: bytes) -> Progress | None:
        """What a running job last said of its progress."""
        story = self.store.story(job_id)
        return decode_progress(story.job.progress) if story is not None and story.job.progress is not None else None

    def decode_result(self, task: Task[Any, Any, Any] | None, data: bytes | None) -> Any:
        """A stored value, by its task's annotation where the task is known."""
        if task is not None:
            return task.arguments.result(data)
        return None if data is None else plain(data)

    def wait_for(self, job_id: bytes, timeout: Duration | None) -> tuple[State, bytes | None]:
        """Blocks until a job has ended; see `Job.wait`."""
        self._refuse_inside()
        deadline = None if timeout is None else time.monotonic() + parse_duration(timeout, name="timeout", zero=True)
        ended = self._ended(job_id)
        if ended is not None:
            return ended
        bell = self.store.listen("results")
        try:
            while (ended := self._ended(job_id)) is None:
                left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
                if left <= 0:
                    raise WaitTimeout(f"job {id_text(job_id)}: still not ended after {timeout}")
                bell.wait(left)
        finally:
            bell.close()
        return ended

    async def await_for(self, job_id: bytes) -> tuple[State, bytes | None]:
        """`wait_for` for asyncio, without an end of its own: put `asyncio.timeout` around it."""
        import asyncio  # here and not above: it is a third of a small process, and most publishers are not async

        self._refuse_inside()
        ended = await asyncio.to_thread(self._ended, job_id)
        if ended is not None:
            return ended
        bell = self.store.listen("results")
        loop, rung = asyncio.get_running_loop(), asyncio.Event()
        if bell.fileno() >= 0:
            loop.add_reader(bell.fileno(), rung.set)
        try:
            while (ended := await asyncio.to_thread(self._ended, job_id)) is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), POLL_S)
                rung.clear()
                bell.drain()
        finally:
            if bell.fileno() >= 0:
                loop.remove_reader(bell.fileno())
            bell.close()
        return ended

    def _ended(self, job_id: bytes) -> tuple[State, bytes | None] | None:
        found = self.store.outcome(job_id)
        if found is None:
            raise StoreError(
                f"job {id_text(job_id)}: not in the store (any more); it is kept for its result_ttl after its end"
            )
        return found if found[0].terminal else None

    def _refuse_inside(self) -> None:
        if inside() is not None:
            raise WaitInsideJob(
                "a job may not wait for another: all children could end up waiting. Split it: enqueue what comes after"
                " with using(on_success=True)"
            )

    def close(self) -> None:
        """Closes the store's files; the next use opens them again."""
        self._store.close()


def _name_of(function: Callable[..., Any]) -> str:
    module = function.__module__
    if module == "__main__":  # run as a script here, imported by the worker there: one name for both
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if file else module
    return f"{module}.{function.__qualname__}"
