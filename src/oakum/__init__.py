"""Oakum: background work for Python that runs inside a memory budget."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from oakum._version import __version__

if TYPE_CHECKING:
    from oakum.errors import (
        Cancelled,
        DuplicateJob,
        EnqueueUnknown,
        JobCancelled,
        JobError,
        JobExpired,
        JobFailed,
        JobQuarantined,
        NotEnqueued,
        OakumError,
        PayloadError,
        QueueFull,
        SoftTimeout,
        StoreError,
        StoreMoved,
        UsageError,
        WaitInsideJob,
        WaitTimeout,
    )
    from oakum.model.bounds import Rate
    from oakum.model.schedule.spec import All
    from oakum.model.schedule.timing import at, cron, every
    from oakum.run.app import Oakum
    from oakum.run.context import Context, current
    from oakum.run.handle import Job
    from oakum.run.options import Retry
    from oakum.run.queue import Queue
    from oakum.run.task import Task
    from oakum.run.unique import Debounce, Unique

__all__ = [
    "All",
    "Cancelled",
    "Context",
    "Debounce",
    "DuplicateJob",
    "EnqueueUnknown",
    "Job",
    "JobCancelled",
    "JobError",
    "JobExpired",
    "JobFailed",
    "JobQuarantined",
    "NotEnqueued",
    "Oakum",
    "OakumError",
    "PayloadError",
    "Queue",
    "QueueFull",
    "Rate",
    "Retry",
    "SoftTimeout",
    "StoreError",
    "StoreMoved",
    "Task",
    "Unique",
    "UsageError",
    "WaitInsideJob",
    "WaitTimeout",
    "__version__",
    "at",
    "cron",
    "current",
    "every",
]

_HOMES = {
    "All": "oakum.model.schedule.spec",
    "at": "oakum.model.schedule.timing",
    "cron": "oakum.model.schedule.timing",
    "every": "oakum.model.schedule.timing",
    "Oakum": "oakum.run.app",
    "Context": "oakum.run.context",
    "current": "oakum.run.context",
    "Job": "oakum.run.handle",
    "Debounce": "oakum.run.unique",
    "Queue": "oakum.run.queue",
    "Rate": "oakum.model.bounds",
    "Retry": "oakum.run.options",
    "Task": "oakum.run.task",
    "Unique": "oakum.run.unique",
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are first used: the command line and the recorder need none of the engine."""
    if name not in __all__:
        raise AttributeError(f"module 'oakum' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "oakum.errors")), name)
    globals()[name] = value
    return value
