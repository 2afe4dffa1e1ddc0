"""What a job prints and logs, kept with it: the last 64 KiB."""

from __future__ import annotations

import io
import logging
import sys

from oakum.run.child.tail import Tail
from oakum.run.context import inside


class Capture(io.TextIOBase):
    """A stdout or stderr that writes into a tail."""

    def __init__(self, tail: Tail, descriptor: int) -> None:
        self._tail, self._descriptor = tail, descriptor

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> int:
        self._tail.add(text)
        return len(text)


class _JobHandler(logging.StreamHandler[Capture]):
    """Writes log records with the id of their job."""

    def format(self, record: logging.LogRecord) -> str:
        job = inside()
        record.job_id = job.job_id if job is not None else "-"
        return super().format(record)


def install(tail: Tail) -> None:
    """Turns this process's prints, and its logging where the application set up none, into the tail."""
    sys.stdout, sys.stderr = Capture(tail, 1), Capture(tail, 2)
    root = logging.getLogger()
    if not root.handlers:
        handler = _JobHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s [job %(job_id)s] %(message)s"))
        root.addHandler(handler)
        if root.level == logging.WARNING:
            root.setLevel(logging.INFO)
