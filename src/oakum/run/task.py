"""A task: a function that is still a plain function when called, and a job when enqueued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, ParamSpec, TypeVar, Unpack

from msgspec.structs import replace

from oakum.errors import UsageError
from oakum.model.bounds import Rules
from oakum.model.job import NewJob
from oakum.model.job import Unique as UniqueKey
from oakum.run.desk import Desk
from oakum.run.handle import Job
from oakum.run.names import check_known
from oakum.run.options import Call, CallOptions, Declared, digest, read_call
from oakum.run.rules import TaskRuleOptions
from oakum.run.signature import Arguments
from oakum.run.unique import Sole
from oakum.units import format_duration

P = ParamSpec("P")
R = TypeVar("R")  # what the job answers
C = TypeVar("C")  # what a plain call answers: R, or a coroutine of it

_AS_DECLARED: Final = Call()


class Task(Generic[P, R, C]):
    """What `@app.task` makes of a function. Made by `Oakum.task` only.

    Calling it calls the function. `enqueue` and `aenqueue` put a job into the store, `job` makes one without storing
    it, `using` gives the same three with other options.
    """

    def __init__(self, desk: Desk, function: Callable[P, C], declared: Declared, max_payload: int) -> None:
        self.function = function
        self.spec, self.raises = declared.spec, declared.raises
        self.arguments = Arguments(function)
        self._desk, self._declared, self._max_payload = desk, declared, max_payload
        self.__name__ = getattr(function, "__name__", declared.spec.name)
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

        Where its queue is full, this waits for room as the queue says. Raises UsageError when the arguments do not fit,
        PayloadError when they cannot be stored, QueueFull where there was no room, DuplicateJob where `unique` is to reject,
        NotEnqueued when the job is certainly not in the store for another reason, EnqueueUnknown when it may be.
        """
        return self.enqueue_as(_AS_DECLARED, args, kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for asyncio: the commit runs in a thread; waiting for room takes none."""
        return await self.aenqueue_as(_AS_DECLARED, args, kwargs)

    def job(self, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """The job that `enqueue` would store, for `Oakum.enqueue_many`. It has its id already: storing it twice is once."""
        return self.make(_AS_DECLARED, args, kwargs)

    def using(self, **options: Unpack[CallOptions]) -> Using[P, R]:
        """The same task with other options for the jobs made through it.

        `queue`, `priority` (higher runs sooner). `delay` or `run_at`: not before then. `expires`: not later than this
        long after the call, or after `run_at`. `timeout`, `memory`, `memory_max`, `retries`, `result_ttl`: as in
        `Oakum.task`; a timeout of 0 is none. `tags`: up to 16 names. `key`: jobs of one key run one at a time, in order
        (or as `Oakum.queue` says). `block_for`: how long to wait for room in a full queue.

        `unique`: "args", "task" or a `Unique`; while such a job waits or runs, another is not stored and the handle is that
        job's. `debounce`, a duration or a `Debounce`: one job for a burst of calls, so long after the last of them, with its
        arguments. `throttle`: at most one job in such a period, the first call's; later ones answer its handle. With either,
        `unique` says which calls are the same (those with the same arguments, if nothing is said). `idempotency_key`: one
        job for a key of yours, until a day after the job's end.

        `on_success`, inside a job only: stored in the same commit in which that job completes, or never; where its queue
        is full then, that job fails with QueueFull, and is tried again as its `retries` say. `connection`, a connection of
        yours to the store's own database (psycopg, SQLAlchemy or Django): stored in your transaction, so that it is there if
        and only if you commit; a full queue refuses at once. Raises UsageError for what makes no sense.
        """
        call = read_call(options)
        if call.sole is not None:
            self._check_sole(call.sole, call)
        return Using(self, call)

    @property
    def rules(self) -> Rules:
        """The limit and rate in force: those declared, or what an operator, or `configure`, said instead."""
        return self._desk.rules("task", self.name)

    def configure(self, **options: Unpack[TaskRuleOptions]) -> None:
        """Changes `limit` and `rate` in force for all workers, at once, until `reset`: what is not named stays.

        Raises UsageError for what makes no sense.
        """
        check_known(options, TaskRuleOptions, f"task {self.name}")
        self._desk.configure("task", self.name, options)

    def reset(self) -> None:
        """Puts the rules that the code declares in force again."""
        self._desk.override("task", self.name, None)

    def make(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewJob:
        """The job of one call under the given options."""
        spec, own = self.spec, self._declared
        payload = self.arguments.pack(args, kwargs, self._max_payload)
        now_ms = int(self._desk.clock.wall() * 1000)
        job_id = self._desk.ids.new(now_ms)
        if call is _AS_DECLARED and own.expires_ms is None:  # nearly all jobs
            return NewJob(job_id, spec.name, payload, spec.queue, spec.priority)
        run_at_ms = now_ms + call.delay_ms if call.delay_ms else call.run_at_ms
        expires_ms = own.expires_ms if call.expires_ms is None else call.expires_ms
        return NewJob(
            id=job_id,
            task=spec.name,
            payload=payload,
            queue=spec.queue if call.queue is None else call.queue,
            priority=spec.priority if call.priority is None else call.priority,
            run_at_ms=run_at_ms,
            expires_ms=None if expires_ms is None else max(now_ms, run_at_ms) + expires_ms,
            unique=None if call.sole is None else self._unique_key(call.sole, args, kwargs),
            idempotency=call.idempotency,
            overrides=call.overrides,
            tags=call.tags,
            key=call.key,
        )

    def _unique_key(self, sole: Sole, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UniqueKey:
        """What makes the job of one call the only one: the rule that was read, with its key."""
        if sole.key is not None:
            return replace(sole.rule, key=digest("unique key", self.name.encode(), sole.key.encode()))
        chosen = b"" if sole.args == () else self.arguments.chosen(args, kwargs, sole.args)
        return replace(sole.rule, key=digest("unique", self.name.encode(), chosen))

    def _check_sole(self, sole: Sole, call: Call) -> None:
        """Raises UsageError for arguments that there are not, and for a period longer than ended jobs are remembered."""
        self.arguments.check_names(sole.args or ())
        kept_s = call.overrides.result_ttl_s if call.overrides is not None else None
        kept_s = self.spec.result_ttl_s if kept_s is None else kept_s
        period_ms, remembers = sole.rule.period_ms, any(state.terminal for state in sole.rule.states)
        if period_ms is not None and remembers and period_ms > kept_s * 1000:
            raise UsageError(
                f"task {self.name}: a period of {format_duration(period_ms / 1000)} is longer than its ended jobs are"
                f" kept, {format_duration(kept_s)}; give it a longer result_ttl"
            )

    def enqueue_as(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job[R]:
        """`enqueue` under the given options."""
        job = self.make(call, args, kwargs)
        if call.on_success:
            self._desk.on_success(job)
            return self._handle(job.id)
        if call.connection is not None:
            return self._handle(self._desk.insert_within(call.connection, job))
        return self._handle(self._desk.insert_one(job, call.block_s))

    async def aenqueue_as(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job[R]:
        """`aenqueue` under the given options."""
        job = self.make(call, args, kwargs)
        if call.on_success:
            self._desk.on_success(job)
            return self._handle(job.id)
        if call.connection is not None:
            raise UsageError("using: a connection of yours is used in your own thread; call enqueue, not aenqueue")
        return self._handle(await self._desk.ainsert_one(job, call.block_s))

    def retry_rule(self, error: BaseException) -> int:
        """The place of the retry rule that an exception matches; the last one is for all that have none of their own."""
        for place, kind in enumerate(self._declared.exceptions):
            if isinstance(error, kind):
                return place
        return len(self._declared.exceptions)

    def _handle(self, job_id: bytes) -> Job[R]:
        return Job(self._desk, job_id, self.name, self.arguments.result, self.raises)


class Using(Generic[P, R]):
    """A task under other options; see `Task.using`."""

    __slots__ = ("_call", "_task")

    def __init__(self, task: Task[P, R, Any], call: Call) -> None:
        self._task, self._call = task, call

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """See `Task.enqueue`."""
        return self._task.enqueue_as(self._call, args, kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """See `Task.aenqueue`."""
        return await self._task.aenqueue_as(self._call, args, kwargs)

    def job(self, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """See `Task.job`."""
        if self._call.on_success:
            raise UsageError("using: on_success goes with enqueue, inside a job; enqueue_many commits at once")
        if self._call.block_s is not None:
            raise UsageError("using: block_for goes with enqueue; enqueue_many waits as the queue says")
        if self._call.connection is not None:
            raise UsageError("using: a connection of yours goes with enqueue; enqueue_many commits on the store's own")
        return self._task.make(self._call, args, kwargs)
