"""What a running job can know and say: `current()`."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from oakum.errors import TaskInterrupt, UsageError
from oakum.model.ids import id_text
from oakum.model.progress import Progress
from oakum.units import Duration, parse_duration

_CURRENT: Final[ContextVar[Context]] = ContextVar("oakum_job")


class Snooze(TaskInterrupt):
    """How `Context.snooze` leaves the task."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"snoozed for {delay_s} s")
        self.delay_s = delay_s


class Context:
    """The running job. Times in seconds, sizes in bytes.

    Attributes: `task`; `queue`; `tags`; `attempt`, 1 for the first; `token`, the fencing token, which rises with each
    start of this job; `deadline`, on `time.monotonic()`, None for a job without a time limit.
    """

    __slots__ = ("_cancelled", "_id", "_remaining", "_report", "attempt", "deadline", "queue", "tags", "task", "token")

    def __init__(
        self,
        job_id: bytes,
        task: str,
        queue: str,
        tags: tuple[str, ...],
        attempt: int,
        token: int,
        deadline: float | None,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
        remaining: Callable[[], int | None],
    ) -> None:
        self._id, self.task, self.queue, self.tags = job_id, task, queue, tags
        self.attempt, self.token, self.deadline = attempt, token, deadline
        self._report, self._cancelled, self._remaining = report, cancelled, remaining

    @property
    def job_id(self) -> str:
        """The job's id: 26 letters and digits."""
        return id_text(self._id)

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this job to stop. Unless it handles `Cancelled`, it is stopped anyway."""
        return self._cancelled()

    @property
    def remaining_memory(self) -> int | None:
        """Bytes that the job may still take, None where nothing limits it."""
        return self._remaining()

    def progress(self, done: float, total: float = 0, note: str = "") -> None:
        """Says how far the job is. Cheap: what is said more often than a few times a second is thinned out."""
        self._report(Progress(float(done), float(total), note[:200]))

    def snooze(self, delay: Duration) -> None:
        """Ends this start at once and has the job started again after `delay`; no try is spent. Does not return."""
        raise Snooze(parse_duration(delay, name="snooze", zero=True))


Middleware = Callable[[Context, Callable[[], Any]], Any]
"""What stands around each job: it is given the job's context, and the rest to call; what it returns is the job's value."""


def current() -> Context:
    """The job that is running here. Raises UsageError outside of one."""
    context = _CURRENT.get(None)
    if context is None:
        raise UsageError("current(): no job is running here; call it inside a task that a worker runs")
    return context


def inside() -> Context | None:
    """The job that is running here, None outside of one."""
    return _CURRENT.get(None)


def enter(context: Context) -> None:
    """From here on, in this thread or asyncio task, `context` is the running job."""
    _CURRENT.set(context)
