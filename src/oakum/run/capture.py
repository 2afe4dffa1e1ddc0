"""What a job prints and logs, kept with it: the last 64 KiB."""

from __future__ import annotations

import io
import logging
import sys
from collections import deque
from typing import Final

from oakum.run.context import inside

KEPT_BYTES: Final = 64 * 1024
_PIECE: Final = 16 * 1024


class Tail:
    """The end of a stream of text: at most `KEPT_BYTES` of it, however much comes."""

    __slots__ = ("_pieces", "_size", "dropped")

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._size = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return self._size > 0

    def add(self, text: str) -> None:
        """Appends text."""
        if len(text) > KEPT_BYTES:
            self.dropped += len(text) - KEPT_BYTES
            text = text[-KEPT_BYTES:]
        # Small prints grow one piece: a deque of single characters would take fifty times their size.
        if self._pieces and len(self._pieces[-1]) + len(text) <= _PIECE:
            self._pieces[-1] += text
        else:
            self._pieces.append(text)
        self._size += len(text)
        while self._size - len(self._pieces[0]) >= KEPT_BYTES:
            gone = len(self._pieces.popleft())
            self._size -= gone
            self.dropped += gone

    def peek(self) -> str:
        """All that is kept, as it is."""
        return "".join(self._pieces)

    def take(self) -> bytes | None:
        """All that is kept, and a fresh start; None when nothing came."""
        if not self._size:
            return None
        data = "".join(self._pieces).encode("utf-8", "replace")
        dropped = self.dropped + max(0, len(data) - KEPT_BYTES)
        self._pieces.clear()
        self._size = self.dropped = 0
        if dropped:
            return b"... %d bytes before this were not kept ...\n" % dropped + data[-KEPT_BYTES:]
        return data


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
