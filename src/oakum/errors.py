"""Every error that Oakum raises: one family, each with one clear line that names the thing and the remedy."""

from __future__ import annotations


class OakumError(Exception):
    """Base of all errors raised by Oakum."""


class UsageError(OakumError):
    """Wrong use: a bad size, an unknown task, an argument that does not fit. The command line exits with status 2."""


class CannotRun(OakumError):
    """The request is sound but cannot be carried out here and now. The command line exits with status 3."""


class PayloadError(UsageError):
    """A job's arguments cannot be stored: not serialisable, over the size limit, or nested too deep."""


class UnknownTask(UsageError):
    """A task name that no application at hand declares."""


class StoreError(OakumError):
    """The store could not do what was asked; nothing was changed unless the error says otherwise."""


class StoreAway(StoreError):
    """The store does not answer now: it is down, starting, or out of reach. A worker that starts then waits for it."""


class StoreFull(StoreError):
    """The disk (or the store's own bound) is full."""


class StoreTooNew(StoreError):
    """The store was written by a newer Oakum than this one."""


class NotAStore(StoreError):
    """The file or server exists but holds no Oakum store."""


class NotEnqueued(StoreError):
    """The job is certainly not in the store: it is safe to enqueue again.

    Attributes: `acknowledged`, how many jobs before it `enqueue_many` has stored for certain.
    """

    acknowledged: int = 0


class EnqueueUnknown(StoreError):
    """The job may or may not be in the store: ask again with the same id or idempotency key.

    Attributes: `job_id`, the id that the job has if it is there; `acknowledged`, how many jobs before it
    `enqueue_many` has stored for certain.
    """

    acknowledged: int = 0

    def __init__(self, message: str, job_id: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id


class QueueFull(NotEnqueued):
    """The queue is at its bound: the job is certainly not in the store.

    Attributes: `queue`; `jobs` and `bytes` of payload that it holds, not counting ended ones; `max_jobs` and
    `max_bytes`, its bounds, None where it has none; `on_full`, what it does there.
    """

    def __init__(
        self,
        message: str,
        *,
        queue: str,
        jobs: int,
        bytes: int,
        max_jobs: int | None,
        max_bytes: int | None,
        on_full: str,
    ) -> None:
        super().__init__(message)
        self.queue, self.jobs, self.bytes = queue, jobs, bytes
        self.max_jobs, self.max_bytes, self.on_full = max_jobs, max_bytes, on_full


class DuplicateJob(NotEnqueued):
    """A job with the same unique key is there, and that key is to reject. Attributes: `job_id`, that job."""

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class StoreMoved(NotEnqueued):
    """The store was moved, or is being moved, and nothing was done.

    Attributes: `where`, the other store, without a password; `for_good`, whether this one will not open again.
    """

    def __init__(self, message: str, where: str, *, for_good: bool) -> None:
        super().__init__(message)
        self.where, self.for_good = where, for_good


class LeaseLost(OakumError):
    """The job was settled or taken over by somebody else: this late result changes nothing."""


class JobError(OakumError):
    """Base of what waiting for a job may raise."""


class JobFailed(JobError):
    """The job ended in failure.

    Attributes: `type`, the qualified name of the exception; `message`, its text; `traceback`, as text.
    No exception class is ever made from stored data.
    """

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        super().__init__(type, message, traceback)
        self.type, self.message, self.traceback = type, message, traceback

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class JobCancelled(JobError):
    """The job was cancelled."""


class JobExpired(JobError):
    """The job's `expires` passed before it could start."""


class JobQuarantined(JobFailed):
    """The job was set aside: it broke its child too often, or took more memory than it may have."""


class WaitTimeout(JobError, TimeoutError):
    """The job did not end within the time that the caller gave; it is not affected."""


class WaitInsideJob(UsageError):
    """A job waited for another job, which can lock a whole worker up. Use a flow instead."""


class TaskInterrupt(BaseException):
    """Base of what Oakum raises *inside* a running task. Not an `Exception`, so a broad handler lets it through."""


class SoftTimeout(TaskInterrupt):
    """The job's `timeout` passed. Clean up and end: the process group is killed shortly after."""


class Cancelled(TaskInterrupt):
    """The running job was cancelled. Clean up and end."""
