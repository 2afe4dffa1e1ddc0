"""A directory with an application in it, real workers on it, and the certainty that nothing of them is left in the end."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from oakum import Oakum
from oakum.clock import SystemClock
from oakum.inspector.inspector import Inspector
from oakum.inspector.views import JobStory, WorkerRow
from oakum.model.ids import parse_id
from oakum.run.handle import Job

PATIENCE_S = 60.0
PRELUDE = """
import asyncio, ctypes, mmap, os, signal, subprocess, sys, threading, time
from pathlib import Path
from oakum import Oakum, Retry, current
from oakum.errors import Cancelled, SoftTimeout
here = Path(__file__).parent
app = Oakum(f"sqlite:///{here}/work.db")

def note(word):
    with open(here / "notes", "a") as file:
        file.write(f"{word}\\n")
"""

T = TypeVar("T")


def until(condition: Callable[[], T], what: str = "it never came to that") -> T:
    """Waits for what another process brings about, and answers it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, what
        select.select([], [], [], 0.02)
    return value


class Worker:
    """One `oakum worker`. What it says on its stderr is in the file `said`."""

    def __init__(self, path: Path, number: int, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self._said = path / f"worker-{number}.log"
        with self._said.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oakum", "worker", "work:app", *words],
                cwd=path, env=environment, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    @property
    def said(self) -> str:
        return self._said.read_text()

    def says(self, words: str) -> None:
        """Waits until it has said `words`."""
        until(lambda: words in self.said or self._process.poll() is not None)
        assert words in self.said, f"it ended without a word of {words!r}: {self.said}"

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        """Has it stop in order."""
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def named(self, name: str) -> list[int]:
        """Its processes of a name ("oakum-child", "oakum-template"), by pid."""
        return [pid for pid in _children(self.pid) if _read(pid, "comm").strip() == name]


class Workplace:
    """`app` and `module` are the application as this process sees it, to enqueue with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        self.module: Any = ModuleType("work")
        self._workers: list[Worker] = []

    def write(self, source: str) -> Any:
        """Makes `source` the application, and answers its module."""
        file = self.path / "work.py"
        file.write_text(PRELUDE + source)
        spec = importlib.util.spec_from_file_location("work", file)
        assert spec is not None
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        return self.module

    @property
    def app(self) -> Oakum:
        app: Oakum = self.module.app
        return app

    def launch(self, *words: str) -> Worker:
        """A worker that has just been started."""
        if "--memory" not in words:
            words = (*words, "--memory", "400MiB")
        if "--slots" not in words:
            words = (*words, "--slots", "2")
        worker = Worker(self.path, len(self._workers), words, self.environment)
        self._workers.append(worker)
        return worker

    def worker(self, *words: str) -> Worker:
        """A worker that has said that it works."""
        worker = self.launch(*words)
        worker.says("slots, room")
        return worker

    def story(self, job: Job[Any]) -> JobStory:
        return Inspector(self.app.store, SystemClock()).story(parse_id(job.id), with_call=True)

    def outcomes(self, job: Job[Any]) -> list[str]:
        """How each start of a job ended, oldest first."""
        return [start.outcome for start in self.story(job).starts]

    def workers(self) -> tuple[WorkerRow, ...]:
        return Inspector(self.app.store, SystemClock()).overview().workers

    def notes(self) -> list[str]:
        """What tasks have noted with `note(...)`."""
        file = self.path / "notes"
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def left(self) -> list[int]:
        """All living processes that were started from here."""
        return [pid for pid in _all() if _belongs(pid, self.path)]

    def close(self) -> None:
        """Kills the workers; whatever they began must end with them."""
        for worker in self._workers:
            worker.kill()
        if isinstance(getattr(self.module, "app", None), Oakum):
            self.app.close()
        try:
            until(lambda: not self.left(), "processes outlived their worker")
        finally:
            for pid in self.left():
                os.kill(pid, signal.SIGKILL)


def _belongs(pid: int, path: Path) -> bool:
    try:
        where = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return pid != os.getpid() and Path(where).is_relative_to(path) and alive(pid)


def _all() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    words = _read(pid, "stat").rpartition(")")[2].split()
    return bool(words) and words[0] not in "ZX"
