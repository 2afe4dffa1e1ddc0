"""A task: a function that is still a plain function when called, and a job when enqueued."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from oakum.errors import UsageError
from oakum.model.job import NewJob
from oakum.model.task import TaskSpec
from oakum.run.handle import Job
from oakum.run.options import CallOptions, Unique, digest, read_call
from oakum.run.signature import Arguments
from oakum.units import Duration, Size

if TYPE_CHECKING:
    from oakum.run.app import Oakum

P = ParamSpec("P")
R = TypeVar("R")  # what the job answers
C = TypeVar("C")  # what a plain call answers: R, or a coroutine of it

_AS_DECLARED = CallOptions()


class Task(Generic[P, R, C]):
    """What `@app.task` makes of a function. Made by `Oakum.task` only.

    Calling it calls the function. `enqueue` and `aenqueue` put a job into the store, `job` makes one without storing
    it, `using` gives the same three with other options.
    """

    def __init__(
        self,
        app: Oakum,
        function: Callable[P, C],
        spec: TaskSpec,
        exceptions: tuple[type[BaseException], ...],
        expires_ms: int | None,
        raises: tuple[type[BaseException], ...],
    ) -> None:
        self.app = app
        self.function = function
        self.spec = spec
        self.arguments = Arguments(function)
        self.raises = raises
        self._exceptions = exceptions
        self._expires_ms = expires_ms
        self.__name__ = getattr(function, "__name__", spec.name)
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    @property
    def name(self) -> str:
        """The task's name in the store."""
        return self.spec.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Calls the function, here and now."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.name}{self.arguments.signature}>"

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Stores a job that will make this call.

        Raises UsageError when the arguments do not fit, PayloadError when they cannot be stored, NotEnqueued when the
        job is certainly not in the store, EnqueueUnknown when it may be.
        """
        return self.enqueue_as(_AS_DECLARED, args, kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for asyncio: the commit runs in a thread."""
        return await self.aenqueue_as(_AS_DECLARED, args, kwargs)

    def job(self, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """The job that `enqueue` would store, for `Oakum.enqueue_many`. It has its id already: storing it twice is once."""
        return self.make(_AS_DECLARED, args, kwargs)

    def using(
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay: Duration | None = None,
        run_at: datetime | None = None,
        expires: Duration | None = None,
        timeout: Duration | None = None,
        memory: Size | None = None,
        memory_max: Size | None = None,
        retries: int | None = None,
        result_ttl: Duration | None = None,
        unique: Unique | None = None,
        idempotency_key: str | None = None,
        tags: Sequence[str] = (),
        on_success: bool = False,
    ) -> Using[P, R]:
        """The same task with other options for the jobs made through it.

        `priority`: higher runs sooner. `delay` or `run_at`: not before then. `expires`: not later than this long after
        the call. `timeout`, `memory`, `memory_max`, `retries`, `result_ttl`: as in `Oakum.task`. `unique`: "args" or
        "task"; while such a job waits or runs, another is not stored and the handle is that job's. `idempotency_key`:
        the same, by a key of yours, until a day after the job's end. `on_success`, inside a job only: stored in the
        same commit in which that job completes, or never. Raises UsageError for what makes no sense.
        """
        options = read_call(
            queue, priority, delay, run_at, expires, timeout, memory, memory_max, retries, result_ttl,
            unique, idempotency_key, tags, on_success,
        )  # fmt: skip
        return Using(self, options)

    def make(self, options: CallOptions, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewJob:
        """The job of one call under the given options."""
        app, spec = self.app, self.spec
        payload = self.arguments.pack(args, kwargs, app.max_payload)
        now_ms = int(app.clock.wall() * 1000)
        job_id = app.ids.new(now_ms)
        if options is _AS_DECLARED and self._expires_ms is None:  # nearly all jobs
            return NewJob(job_id, spec.name, payload, spec.queue, spec.priority)
        run_at_ms = now_ms + options.delay_ms if options.delay_ms else options.run_at_ms
        expires_ms = self._expires_ms if options.expires_ms is None else options.expires_ms
        return NewJob(
            id=job_id,
            task=spec.name,
            payload=payload,
            queue=spec.queue if options.queue is None else options.queue,
            priority=spec.priority if options.priority is None else options.priority,
            run_at_ms=run_at_ms,
            expires_ms=None if expires_ms is None else max(now_ms, run_at_ms) + expires_ms,
            unique=_unique_key(options.unique, spec.name, payload),
            idempotency=options.idempotency,
            overrides=options.overrides,
            tags=options.tags,
        )

    def enqueue_as(self, options: CallOptions, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job[R]:
        """`enqueue` under the given options."""
        job = self.make(options, args, kwargs)
        if options.on_success:
            self.app.store_on_success(job)
            return Job(self.app, job.id, self)
        return Job(self.app, self.app.insert_one(job), self)

    async def aenqueue_as(self, options: CallOptions, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job[R]:
        """`aenqueue` under the given options."""
        job = self.make(options, args, kwargs)
        if options.on_success:
            self.app.store_on_success(job)
            return Job(self.app, job.id, self)
        return Job(self.app, await self.app.ainsert_one(job), self)

    def retry_rule(self, error: BaseException) -> int:
        """The place of the retry rule that an exception matches; the last one is for all that have none of their own."""
        for place, kind in enumerate(self._exceptions):
            if isinstance(error, kind):
                return place
        return len(self._exceptions)


class Using(Generic[P, R]):
    """A task under other options; see `Task.using`."""

    __slots__ = ("_options", "_task")

    def __init__(self, task: Task[P, R, Any], options: CallOptions) -> None:
        self._task, self._options = task, options

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """See `Task.enqueue`."""
        return self._task.enqueue_as(self._options, args, kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """See `Task.aenqueue`."""
        return await self._task.aenqueue_as(self._options, args, kwargs)

    def job(self, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """See `Task.job`."""
        if self._options.on_success:
            raise UsageError("using: on_success goes with enqueue, inside a job; enqueue_many commits at once")
        return self._task.make(self._options, args, kwargs)


def _unique_key(unique: Unique | None, task: str, payload: bytes) -> bytes | None:
    if unique is None:
        return None
    return digest("unique", task.encode(), payload if unique == "args" else b"")
