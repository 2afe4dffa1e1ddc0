"""Real workers for tests: an application in a directory, `oakum worker` beside it, and nothing left of either afterwards."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from oakum import Oakum
from oakum.host.tree import descendants
from oakum.model.outcome import Outcome, decode_record
from oakum.run.handle import Job

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
HEAD = """
import os, signal, sys, time
from oakum import *
app = Oakum('sqlite:///{path}/work.db')
HERE = {path!r}

def mark(word):
    fd = os.open(os.path.join(HERE, "marks"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{{word}}\\n".encode())
    os.close(fd)
"""


class Workshop:
    """A directory with an application `shop.py` in it and its store; workers are started there."""

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._workers: list[subprocess.Popen[bytes]] = []
        self._pids: set[int] = set()
        self.write(source)
        self.load()

    def write(self, source: str) -> None:
        (self.path / "shop.py").write_text(HEAD.format(path=str(self.path)) + source)

    def load(self) -> None:
        """Takes up what is written there now."""
        self.tasks = self._load()
        self.app: Oakum = self.tasks.app

    def rewrite(self, old: str, new: str) -> None:
        """Puts something else in the place of some text of the application."""
        text = (self.path / "shop.py").read_text()
        assert old in text
        (self.path / "shop.py").write_text(text.replace(old, new))

    def worker(self, *options: str, program: tuple[str, ...] = ("oakum", "worker")) -> subprocess.Popen[bytes]:
        """Starts a worker; `program` is a module that makes one, with words of its own."""
        command = [sys.executable, "-m", *program, "shop:app", "--memory", "512MiB", "--slots", "2", *options]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with (self.path / "log").open("ab") as log:
            worker = subprocess.Popen(command, cwd=self.path, stderr=log, stdout=log, env=environment)
        self._workers.append(worker)
        return worker

    def marks(self) -> list[str]:
        """The words that tasks wrote down with `mark`."""
        path = self.path / "marks"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def outcomes(self, job: Job[Any]) -> list[Outcome]:
        """How the starts of a job ended, but for the one that ended it well."""
        story = self.app.store.story(job._id)
        assert story is not None
        return [decode_record(start.record).outcome for start in story.starts]

    def said(self) -> str:
        return (self.path / "log").read_text()

    def tree(self, worker: subprocess.Popen[bytes]) -> dict[str, list[int]]:
        """The pids below a worker, by what they are."""
        found: dict[str, list[int]] = {}
        for pid in descendants(worker.pid):
            self._pids.add(pid)
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            found.setdefault(name, []).append(pid)
        return found

    def until(self, condition: Callable[[], Any]) -> Any:
        """Waits until `condition` holds; its value. Fails with what the workers said."""
        deadline = time.monotonic() + PATIENCE_S
        bell = self.app.store.listen("results")
        try:
            while not (value := condition()):
                assert time.monotonic() < deadline, f"it never came to be; the workers said:\n{self.said()}"
                bell.wait(0.05)
        finally:
            bell.close()
        return value

    def close(self) -> None:
        for worker in self._workers:
            self.tree(worker)
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(PATIENCE_S)
            finally:
                worker.kill()  # one that will not stop must not outlive its test
        left = [pid for pid in self._pids if _is_ours(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self.app.close()
        assert not left, f"processes were left behind: {left}"

    def _load(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("shop", self.path / "shop.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def _is_ours(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return "oakum" in stat and stat.rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
