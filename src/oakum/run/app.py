"""The application: its tasks and the way to its store. One object that the user makes; nothing in Oakum is global."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack, overload

from oakum.clock import Clock, SystemClock
from oakum.errors import UnknownTask, UsageError
from oakum.events import Listener
from oakum.model.bounds import Rules
from oakum.model.ids import parse_id
from oakum.model.job import NewJob
from oakum.model.schedule.spec import Schedule
from oakum.model.schedule.timing import Timing
from oakum.run.context import Context, Middleware, current
from oakum.run.desk import Desk
from oakum.run.handle import Job
from oakum.run.names import check_name
from oakum.run.options import TaskOptions, read_task
from oakum.run.queue import Queue
from oakum.run.rules import QueueOptions, read_queue
from oakum.run.schedules import ScheduleOptions, read_schedule
from oakum.run.signature import MAX_PAYLOAD
from oakum.run.task import P, R, Task
from oakum.store.base import Store
from oakum.store.shown import shown_url
from oakum.units import Duration, Size, parse_size

if TYPE_CHECKING:
    from oakum.run.inline import Kit

Hook = Callable[[], None]


class Declare(Protocol):
    """What `app.task(...)` with options gives: a decorator."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R, R]: ...


class Oakum:
    """An application: `Oakum("sqlite:///work.db")`.

    `store` is the URL of the place where jobs live; it is opened when it is first needed, anew in each process.
    `max_payload` and `max_result` bound what one job's arguments and value may take, `max_store` all that the store keeps.
    """

    def __init__(
        self,
        store: str = "sqlite:///oakum.db",
        *,
        max_payload: Size = MAX_PAYLOAD,
        max_result: Size = "1MiB",
        max_store: Size | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.max_payload = parse_size(max_payload, name="max_payload")
        self.max_result = parse_size(max_result, name="max_result")
        self.desk = Desk(store, clock if clock is not None else SystemClock())
        if max_store is not None:
            self.desk.declare("store", "", Rules(max_bytes=parse_size(max_store, name="max_store")))
        self.tasks: dict[str, Task[Any, Any, Any]] = {}
        self.queues: dict[str, Queue] = {}
        self.schedules: dict[str, Schedule] = {}
        self.middlewares: list[Middleware] = []
        self.child_start_hooks: list[Hook] = []
        self.child_stop_hooks: list[Hook] = []
        self.listeners: list[Listener] = []

    def __repr__(self) -> str:
        return f"<Oakum {shown_url(self.desk.url)}, {len(self.tasks)} tasks>"

    @property
    def store(self) -> Store:
        """The store, for those who ask more of it than a handle does. Raises UsageError inside a job."""
        return self.desk.store

    # -- declaring ------------------------------------------------------------------------------------------------

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R, R]: ...
    @overload
    def task(self, /, **options: Unpack[TaskOptions]) -> Declare: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Unpack[TaskOptions]) -> Any:
        """Makes a function a task. Plain calls stay plain calls.

        `name`: its name in the store, module and qualified name otherwise; `aliases`: names it had before. `queue`,
        `priority` (higher runs sooner), `expires`: as `using` takes them. `memory`: what one job may add to its child;
        learned where it is not given. `memory_max`: up to where a job that went over is tried again with more.
        `headroom`: what ring 1 leaves for thread stacks and for what maps memory without touching it. `timeout`: after
        which SoftTimeout is raised in the task, None for no limit; `kill_after`: how much later its process group is
        killed. `retries`: a count, a `Retry`, or one of these for each exception type. `crashes`: how often it may take
        its process with it before it is quarantined. `result_ttl`: how long an ended job is kept. `concurrency`: how many
        jobs of an `async def` task share one loop. `raises`: exception classes of the task's own that waiting for it
        raises again. `limit`: how many of its jobs run at once, over all workers; `rate`: how many start in a period,
        like "100/1m"; what they hold back waits in the store. Raises UsageError for anything that makes no sense.
        """
        if function is not None:
            return self._declare(function, options)
        return lambda wrapped: self._declare(wrapped, options)

    def _declare(self, function: Callable[..., Any], options: TaskOptions) -> Task[Any, Any, Any]:
        declared = read_task(function, _name_of(function), options)
        task: Task[Any, Any, Any] = Task(self.desk, function, declared, self.max_payload)
        for each in (task.name, *task.spec.aliases):
            if each in self.tasks and self.tasks[each].function is not function:
                raise UsageError(f"task {each}: declared twice; give one of them another name=")
            self.tasks[each] = task
        self.desk.declare("task", task.name, declared.rules)
        return task

    def queue(self, name: str, **options: Unpack[QueueOptions]) -> Queue:
        """Declares a queue with its bounds and limits, and gives a name for it that tasks and calls take.

            mail = app.queue("mail", max_jobs=10_000, max_bytes="64MiB", on_full="reject", rate="100/1m")

        `max_jobs` and `max_bytes` (of arguments) bound what has not ended; neither is ever exceeded. `on_full` says what
        happens there: "block", callers wait for room as long as `block_for` says (a minute if nothing is said, 0 for not at
        all) and then get QueueFull; "reject", they get it at once; "drop_oldest" and "drop_newest", a job ends as expired,
        with the reason. `limit`: how many of its jobs run at once, over all workers; `rate`: how many start in a period,
        like "100/1m". `key_limit` (1 if nothing is said) and `key_rate`: the same for the jobs of each `key`.

        Any number of queues need no declaration: they have no bound. What an operator changes (`oakum queue`) stays until
        it is reset. Raises UsageError for anything that makes no sense.
        """
        if check_name(name, "queue") in self.queues:
            raise UsageError(f"queue {name}: declared twice; keep what the first declaration gave")
        rules, block_s = read_queue(name, options)
        self.queues[name] = Queue(self.desk, name, rules)
        self.desk.declare("queue", name, rules)
        if block_s is not None:
            self.desk.block_s[name] = block_s
        return self.queues[name]

    def schedule(self, name: str, timing: Timing, job: NewJob, **options: Unpack[ScheduleOptions]) -> None:
        """Has a job made at each tick of `timing`, which is `every(...)`, `cron(...)` or `at(...)`: the worker sees to it.

            app.schedule("refresh", every("1s"), refresh.job())

        Any number of workers may run: each tick becomes one job at most. `overlap` says what happens at a tick whose
        earlier job has not ended: "skip", it is skipped; "queue_one", one waits; "allow", they run side by side;
        "cancel_running", the earlier one is cancelled first. `catchup` says what happens to ticks that were missed, since
        no worker ran: "latest", the last one runs; "none"; or `All(max=100)`, the last so many. `jitter` spreads ticks by
        chance over that time, and never beyond the next one. `start` and `end`: no tick before and after. `expires`: a
        job that has not started so long after it was made is not started any more; one interval if nothing is said.
        `adapt=True`: an interval that is shorter than the workers can keep up with is stretched, as long as that is so.

        A worker brings what is declared to the store when it starts, and takes away what it declared before and does no
        longer. What an operator changes (`oakum schedule`) stays. Raises UsageError for anything that makes no sense.
        """
        if check_name(name, "schedule") in self.schedules:
            raise UsageError(f"schedule {name}: declared twice; give one of them another name")
        schedule = read_schedule(name, timing, job, options)
        self.find_task(schedule.job.task)
        self.schedules[name] = schedule

    def purge_schedule(
        self,
        name: str,
        timing: Timing,
        purge: Callable[[Context], object],
        *,
        memory: Size = "64MiB",
        timeout: Duration | None = "1h",
    ) -> None:
        """Has a purge run at each tick: a task of its own, `purge.NAME`, under that much memory and time.

            app.purge_schedule("replays", cron("0 3 * * *"), lambda job: purge.files(
                "/var/replays", older_than="90d", match=["*.gz"], options=purge.in_job(job)))

        `purge` is given the running job, and what it answers is the job's result. `oakum.purge.in_job` makes the purge's
        progress the job's and ends it when the job is cancelled; what its time did not suffice for, the next tick does.
        """

        def run_purge() -> object:
            return purge(current())

        task = self.task(name=f"purge.{name}", memory=memory, timeout=timeout)(run_purge)
        self.schedule(name, timing, task.job())

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

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def enqueue_many(self, jobs: Iterable[NewJob]) -> int:
        """Stores jobs made by `Task.job`, from any iterable, a bounded batch at a time; answers how many were stored or
        were there already. Where a queue is full, it stores what fits and goes on as room comes.

        Raises QueueFull where none has come for so long as callers wait for it, NotEnqueued or EnqueueUnknown; their
        `acknowledged` says how many of the first jobs are certainly stored.
        """
        return self.desk.insert_many(jobs)

    async def aenqueue_many(self, jobs: Iterable[NewJob] | AsyncIterable[NewJob]) -> int:
        """`enqueue_many` for asyncio, which takes an async iterable too."""
        return await self.desk.ainsert_many(jobs)

    def job(self, job_id: str) -> Job[Any]:
        """The handle of a stored job. Raises UsageError for what is no id."""
        return Job(self.desk, parse_id(job_id))

    def testing(self, *, inline: bool = False) -> AbstractContextManager[Kit]:
        """For tests: lends the application a store in memory and a clock that stands still, and runs jobs in this process.

        `with app.testing() as kit:` jobs wait until `kit.drain()`, `kit.advance("5m")` or somebody's `job.wait()`; with
        `inline` they run as soon as they are enqueued. Retries, delays, expiry and uniqueness are those of a worker.
        """
        from oakum.run.inline import testing

        return testing(self, inline)

    def set_max_store(self, size: Size | None) -> None:
        """Bounds all that the store keeps, at once and for everybody, whatever `max_store` says; None gives back to that.

        Raises UsageError for what is no size.
        """
        rules = None if size is None else Rules(max_bytes=parse_size(size, name="max_store"))
        self.desk.override("store", "", rules)

    def close(self) -> None:
        """Closes the store's files; the next use opens them again."""
        self.desk.close()


def _name_of(function: Callable[..., Any]) -> str:
    module = function.__module__
    if module == "__main__":  # run as a script here, imported by the worker there: one name for both
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if file else module
    return f"{module}.{function.__qualname__}"
