"""The log of guarded runs: two JSON lines a run, in two files that never grow past their bound."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final

from oakum.watch.guard.outcome import Outcome, Reason

_LARGEST_FILE: Final = 1024**2  # bytes; two files are kept: about ten days of a line that runs each minute
_LONGEST_WORD: Final = 200  # characters of an argument that are kept
_MOST_WORDS: Final = 50


@dataclass(frozen=True, slots=True)
class Run:
    """One guarded run. `reason` is None while it runs, and for ever where the host went down under it."""

    run: str  # an id: the starting time and the pid of `oakum run`
    at: float  # seconds since 1970 when it started
    command: list[str]
    lock: str | None = None
    timeout: float | None = None  # seconds
    memory: int | None = None  # bytes
    reason: Reason | None = None
    status: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    left_behind: int = 0
    kernel_kills: int = 0

    def ended(self, outcome: Outcome) -> Run:
        """The same run with its end."""
        return replace(
            self,
            reason=outcome.reason,
            status=outcome.exit_status,
            seconds=round(outcome.seconds, 3),
            cpu_seconds=round(outcome.cpu_seconds, 3),
            peak_bytes=outcome.peak_bytes,
            left_behind=outcome.left_behind,
            kernel_kills=outcome.kernel_kills,
        )


class RunLog:
    """`runs.jsonl` in a directory, and `runs.jsonl.1` with what came before. Written by many processes at once."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, "runs.jsonl")

    def append(self, run: Run) -> None:
        """Adds one line: a run's start, and later the same run with its end. Raises OSError."""
        brief = replace(run, command=[word[:_LONGEST_WORD] for word in run.command[:_MOST_WORDS]])
        line = json.dumps({name: value for name, value in asdict(brief).items() if value is not None}) + "\n"
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        with open(self._path + ".lock", "ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with open(self._path, "ab") as file:
                if file.tell() <= _LARGEST_FILE:
                    file.write(line.encode())
                    return
            os.replace(self._path, self._path + ".1")
            with open(self._path, "ab") as file:
                file.write(line.encode())

    def read(self) -> list[Run]:
        """Each run once, in order of their starts. Lines that are torn or strange are passed over."""
        runs: dict[str, Run] = {}
        for path in (self._path + ".1", self._path):
            for run in _lines(path):
                runs[run.run] = run
        return sorted(runs.values(), key=lambda run: run.at)


def _lines(path: str) -> Iterator[Run]:
    try:
        with open(path, "rb") as file:
            for line in file:
                run = _parse(line)
                if run is not None:
                    yield run
    except FileNotFoundError:
        return


def _parse(line: bytes) -> Run | None:
    import msgspec  # here, because every cron line would pay for it; only the reader needs its checks

    try:
        return msgspec.json.decode(line, type=Run)
    except msgspec.DecodeError:
        return None  # a torn tail, or a line of another Oakum
