"""A handle of a stored job: an id and a desk. It holds nothing else, watches nothing and needs no closing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast

from oakum.errors import JobCancelled, JobExpired, JobFailed, JobQuarantined
from oakum.model.ids import id_text
from oakum.model.job import State
from oakum.model.outcome import Completed, Outcome, decode_record, describe
from oakum.model.progress import Progress
from oakum.run.desk import Desk
from oakum.run.signature import plain
from oakum.units import Duration

R = TypeVar("R")


class Job(Generic[R]):
    """One stored job. Two handles of one job are equal.

    `task` is its name where it is known; `decode` reads a stored value; `raises` are exception classes of the task's own.
    """

    __slots__ = ("_decode", "_desk", "_id", "_raises", "_task")

    def __init__(
        self,
        desk: Desk,
        job_id: bytes,
        task: str = "",
        decode: Callable[[bytes | None], Any] = plain,
        raises: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._desk, self._id, self._task, self._decode, self._raises = desk, job_id, task, decode, raises

    @property
    def id(self) -> str:
        """The job's id: 26 letters and digits."""
        return id_text(self._id)

    @property
    def state(self) -> str:
        """Where it stands: available, scheduled, held (its key is busy), running, completed, failed, cancelled, expired or
        quarantined.

        Raises StoreError when it is no longer kept.
        """
        return self._desk.look(self._id)[0].label

    @property
    def progress(self) -> Progress | None:
        """What the running job last said of its progress, None when it said nothing."""
        return self._desk.progress(self._id)

    def cancel(self) -> str:
        """Cancels the job: at once when it waits, by a signal when it runs; answers its state just after."""
        return self._desk.cancel([self._id])[self._id].label

    def wait(self, timeout: Duration | None = None) -> R:
        """Blocks until the job has ended, and answers its value.

        Raises JobFailed (or the task's own exception class where `raises=` names it), JobQuarantined, JobCancelled,
        JobExpired; WaitTimeout after `timeout`; WaitInsideJob inside a job; StoreError when the job is no longer kept.
        """
        return self._value(*self._desk.wait(self._id, timeout))

    def __await__(self) -> Generator[Any, None, R]:
        return self._await().__await__()

    async def _await(self) -> R:
        return self._value(*await self._desk.await_(self._id))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"<Job {self.id}{f' of {self._task}' if self._task else ''}>"

    def _value(self, state: State, record: bytes | None) -> R:
        outcome = decode_record(record).outcome if record is not None else None
        if isinstance(outcome, Completed) and state is State.COMPLETED:
            return cast(R, self._decode(outcome.result))
        raise self._error(state, outcome)

    def _error(self, state: State, outcome: Outcome | None) -> BaseException:
        if state is State.CANCELLED:
            return JobCancelled(f"job {self.id} was cancelled")
        if state is State.EXPIRED:
            return JobExpired(f"job {self.id} expired before it could start")
        kind, message, traceback = describe(outcome)
        if state is State.QUARANTINED:
            return JobQuarantined(kind, message, traceback)
        for known in self._raises:  # the task's own classes, by name: none is ever looked up from stored data
            if kind in (known.__qualname__, f"{known.__module__}.{known.__qualname__}"):
                return known(message)
        return JobFailed(kind, message, traceback)
