"""Jobs run in this very process, by hand, on a clock that stands still: the heart of the test kit.

The same store protocol, the same lifecycle, the same call of a task as in a worker; no limits of memory or time, and no
process that could die.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from oakum.clock import FakeClock
from oakum.errors import DuplicateJob, QueueFull, UsageError, WaitTimeout
from oakum.host.identity import myself
from oakum.model.job import Claimed, JobQuery, JobView, NewJob, State
from oakum.model.lifecycle import not_followed, settle
from oakum.model.outcome import Completed, Outcome, Usage
from oakum.model.progress import Progress, encode_progress
from oakum.run.context import Context, enter
from oakum.run.execute import arun, call, outcome_of, run
from oakum.run.task import Task
from oakum.run.ticker import Ticker
from oakum.store.base import Bell, Identity, Instant, Mark, Topic, Want
from oakum.store.memory import MemoryStore
from oakum.units import Duration, parse_duration

if TYPE_CHECKING:
    from oakum.run.app import Oakum

LEASE_MS: Final = 1 << 50
MOST_RUNS: Final = 100_000  # in one drain: a job that enqueues itself would never end it
EVEN_LUCK: Final = 0.5  # retries come after their plain delay, without jitter


class Kit:
    """What `Oakum.testing` gives. Attributes: `clock`, the FakeClock; `store`, a MemoryStore."""

    def __init__(self, app: Oakum, inline: bool) -> None:
        self.clock = FakeClock()
        self.store = _Store(self, inline)
        self._app = app
        self._draining = False
        here = myself()
        identity = Identity(here.host, here.boot_id, here.pid_namespace, here.pid, here.start)
        self._holder = self.store.enrol(identity, LEASE_MS, self._now())
        self._ticker = Ticker(self.store, self._now, lambda _: None)
        self._declare()

    def drain(self) -> int:
        """Runs all jobs that are due, and those that they enqueue, until none is; how many starts that took.

        Raises UsageError after 100,000 of them: then jobs enqueue one another without end.
        """
        if self._draining:
            return 0
        self._draining = True
        try:
            for runs in range(MOST_RUNS):
                if not self._run_one():
                    return runs
        finally:
            self._draining = False
        raise UsageError(f"drain: {MOST_RUNS:,} jobs have run and there are still more; does a job enqueue itself?")

    def advance(self, duration: Duration) -> int:
        """Time passes; whatever falls due runs, each at its moment, ticks of the declared schedules too. How many starts
        that took."""
        self._declare()
        end = self.clock.wall() + parse_duration(duration, name="advance", zero=True)
        runs = self.drain()
        while (due := self._next_due()) is not None and due / 1000 <= end:
            self.clock.advance(max(0.0, due / 1000 - self.clock.wall()))
            self._ticker.fire(self._holder)
            runs += self.drain()
        self.clock.advance(max(0.0, end - self.clock.wall()))
        return runs + self.drain()

    def jobs(self, task: Task[Any, Any, Any] | None = None, state: str | None = None) -> list[JobView]:
        """The jobs of a task and in a state (by its word, like "scheduled"), oldest first."""
        states = () if state is None else (_state(state),)
        query = JobQuery(states=states, task=None if task is None else task.name, limit=10_000)
        return list(reversed(self.store.jobs(query).jobs))

    def calls(self, task: Task[Any, Any, Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """What a task was enqueued with: positional and keyword arguments, oldest first."""
        return [task.arguments.unpack(job.payload) for job in self.jobs(task)]

    def _now(self) -> Instant:
        return Instant.read(self.clock)

    def _declare(self) -> None:
        for kind, rules in self._app.desk.declared.items():
            self.store.declare(kind, rules)
        for _ in self._ticker.declare(sorted(self._app.schedules.items()), "kit"):
            pass

    def _next_due(self) -> int | None:
        due = (self.store.next_due(self._now()), self.store.next_tick())
        return min((each for each in due if each is not None), default=None)

    def _run_one(self) -> bool:
        queues = tuple(dict.fromkeys(count.queue for count in self.store.counts()))
        weights = dict.fromkeys(self._app.tasks, 1)
        claimed = self.store.claim(Want(self._holder, queues, weights, 1, 1), self._now())
        for job in claimed:
            contextvars.copy_context().run(self._run, job)
        return bool(claimed)

    def _run(self, job: Claimed) -> None:
        task, desk = self._app.tasks[job.task], self._app.desk
        line = _Line(self)
        context = Context(
            job.id,
            job.task,
            job.queue,
            job.tags,
            job.tries + 1,
            job.token,
            None,
            lambda progress: self._note(job, progress),
            lambda: False,
            lambda: None,
        )
        enter(context)
        started = time.monotonic_ns()
        desk.line = line
        try:
            outcome = self._call(task, job, context)
        finally:
            desk.line = None
        usage = Usage(self._now().wall_ms, (time.monotonic_ns() - started) // 1000, 0)
        follow = tuple(line.following) if isinstance(outcome, Completed) else ()

        def end(outcome: Outcome, follow: tuple[NewJob, ...]) -> None:
            settled = settle(job, outcome, usage, task.spec, self._now().wall_ms, EVEN_LUCK, follow=follow)
            self.store.settle([settled], self._holder, self._now())

        try:
            end(outcome, follow)
        except (QueueFull, DuplicateJob) as error:
            end(not_followed(error, task.spec), ())

    def _call(self, task: Task[Any, Any, Any], job: Claimed, context: Context) -> Outcome:
        app = self._app

        def work() -> Any:
            return call(task, job.payload, context, app.middlewares)

        try:
            if task.spec.is_async:
                return _finish(arun(task, work, task.spec.timeout_s, app.max_result))
            return run(task, work, task.spec.timeout_s, app.max_result)
        except MemoryError as error:
            return outcome_of(error, task, task.spec.timeout_s)

    def _note(self, job: Claimed, progress: Progress) -> None:
        self.store.progress({job.ref: encode_progress(progress)}, self._holder)


@contextlib.contextmanager
def testing(app: Oakum, inline: bool) -> Iterator[Kit]:
    """See `Oakum.testing`."""
    kit = Kit(app, inline)
    with app.desk.instead(kit.store, kit.clock):
        yield kit


class _Store(MemoryStore):
    """Runs what is due when somebody waits for it, and at once where that is wanted."""

    def __init__(self, kit: Kit, inline: bool) -> None:
        super().__init__()
        self._kit, self._inline = kit, inline

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        marks = super().insert(jobs, now)
        if self._inline:
            self._kit.drain()
        return marks

    def listen(self, topic: Topic) -> Bell:
        self._kit.drain()
        return _Impatient(super().listen(topic))


class _Impatient:
    """The bell of somebody who waits for a job that is not due: nothing will ring it, so it says so."""

    echo_s = 0.0

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def fileno(self) -> int:
        return -1

    def wait(self, timeout: float) -> bool:
        raise WaitTimeout(f"wait({timeout:.2f}): the job is not due by the kit's clock; move it with kit.advance(...)")

    def drain(self) -> None:
        self._bell.drain()

    def close(self) -> None:
        self._bell.close()


class _Line:
    """The way out of a job that runs in the kit."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.following: list[NewJob] = []

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Mark]:
        return self._kit.store.insert(jobs, Instant.read(self._kit.clock))

    def on_success(self, job: NewJob) -> None:
        self.following.append(job)


def _finish(work: Any) -> Outcome:
    """Runs a coroutine to its end, in a thread of its own: the test itself may be on a loop."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        context = contextvars.copy_context()
        outcome: Outcome = pool.submit(context.run, asyncio.run, work).result()
    return outcome


def _state(word: str) -> State:
    try:
        return State[word.upper()]
    except KeyError:
        raise UsageError(f"state: {word!r} is none; there are {', '.join(state.label for state in State)}") from None
