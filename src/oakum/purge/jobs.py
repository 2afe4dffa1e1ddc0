"""A purge inside a job: its progress is the job's, and it ends when the job is to end."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from oakum.purge.options import Options, Progress


class RunningJob(Protocol):
    """What a purge asks of the job that it runs in: `oakum.current()` is one."""

    @property
    def cancelled(self) -> bool: ...
    def progress(self, done: float, total: float = 0, note: str = "") -> None: ...


def in_job(job: RunningJob, options: Options | None = None) -> Options:
    """`options` for a purge that runs inside `job`: `purge.queryset(rows, options=purge.in_job(oakum.current()))`."""

    def tell(progress: Progress) -> None:
        job.progress(progress.done, progress.total or 0, f"{progress.unit} of {progress.label}, {progress.pace}")

    return replace(options or Options(), count=True, stop=lambda: job.cancelled, progress=tell)
