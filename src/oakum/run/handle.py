"""A handle of a stored job: an id and its application. It holds nothing else, watches nothing and needs no closing."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from oakum.errors import JobCancelled, JobExpired, JobFailed, JobQuarantined, StoreError
from oakum.model.ids import id_text
from oakum.model.job import State
from oakum.model.outcome import Completed, Failed, Lost, Outcome, OverBudget, TimedOut, decode_record
from oakum.model.progress import Progress
from oakum.units import Duration, format_duration, format_size

if TYPE_CHECKING:
    from oakum.run.app import Oakum
    from oakum.run.task import Task

R = TypeVar("R")


class Job(Generic[R]):
    """One stored job. Two handles of one job are equal."""

    __slots__ = ("_app", "_id", "_task")

    def __init__(self, app: Oakum, job_id: bytes, task: Task[Any, R, Any] | None = None) -> None:
        self._app, self._id, self._task = app, job_id, task

    @property
    def id(self) -> str:
        """The job's id: 26 letters and digits."""
        return id_text(self._id)

    @property
    def state(self) -> str:
        """Where it stands: available, scheduled, running, completed, failed, cancelled, expired or quarantined.

        Raises StoreError when it is no longer kept.
        """
        return self._look()[0].label

    @property
    def progress(self) -> Progress | None:
        """What the running job last said of its progress, None when it said nothing."""
        return self._app.job_progress(self._id)

    def cancel(self) -> str:
        """Cancels the job: at once when it waits, by a signal when it runs; answers its state just after."""
        return self._app.cancel_jobs([self._id])[self._id].label

    def wait(self, timeout: Duration | None = None) -> R:
        """Blocks until the job has ended, and answers its value.

        Raises JobFailed (or the task's own exception class where `raises=` names it), JobQuarantined, JobCancelled,
        JobExpired; WaitTimeout after `timeout`; WaitInsideJob inside a job; StoreError when the job is no longer kept.
        """
        return self._value(*self._app.wait_for(self._id, timeout))

    def __await__(self) -> Generator[Any, None, R]:
        return self._wait().__await__()

    async def _wait(self) -> R:
        return self._value(*await self._app.await_for(self._id))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"<Job {self.id}{f' of {self._task.name}' if self._task is not None else ''}>"

    def _look(self) -> tuple[State, bytes | None]:
        found = self._app.store.outcome(self._id)
        if found is None:
            raise StoreError(f"job {self.id}: not in the store (any more); ended jobs are kept for their result_ttl")
        return found

    def _value(self, state: State, record: bytes | None) -> R:
        outcome = decode_record(record).outcome if record is not None else None
        if isinstance(outcome, Completed) and state is State.COMPLETED:
            return cast(R, self._app.decode_result(self._task, outcome.result))
        raise self._error(state, outcome)

    def _error(self, state: State, outcome: Outcome | None) -> Exception:
        if state is State.CANCELLED:
            return JobCancelled(f"job {self.id} was cancelled")
        if state is State.EXPIRED:
            return JobExpired(f"job {self.id} expired before it could start")
        kind, message, traceback = describe(outcome)
        if state is State.QUARANTINED:
            return JobQuarantined(kind, message, traceback)
        if self._task is not None:
            for known in self._task.raises:
                if kind in (known.__qualname__, f"{known.__module__}.{known.__qualname__}"):
                    return cast(Exception, known(message))
        return JobFailed(kind, message, traceback)


def describe(outcome: Outcome | None) -> tuple[str, str, str]:
    """An outcome as an exception's type, message and traceback."""
    match outcome:
        case Failed(type=kind, message=message, traceback=traceback):
            return kind, message, traceback
        case OverBudget(peak=peak, limit=limit, where=where, traceback=traceback):
            place = f" at {where.splitlines()[0]}" if where else ""
            return "OverBudget", f"took {format_size(peak)} of the {format_size(limit)} it may have{place}", traceback
        case TimedOut(limit_s=limit, hard=hard, traceback=traceback):
            how = "and had to be killed" if hard else "and was stopped"
            return "TimedOut", f"ran longer than {format_duration(limit)} {how}", traceback
        case Lost(reason=reason, output=output):
            return "Lost", reason, output
    return type(outcome).__name__, "", ""
