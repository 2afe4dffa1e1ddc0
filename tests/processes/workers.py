"""Real workers for tests: an application in a directory, `oakum worker` beside it, and nothing left of either afterwards."""

from __future__ import annotations

import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from oakum import Oakum
from oakum.host.tree import descendants, start_ticks
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
        self._seen: set[tuple[int, int]] = set()  # each process by its pid and when it started
        self.write(source)
        self.load()

    def write(self, source: str) -> None:
        put(self.path / "shop.py", HEAD.format(path=str(self.path)) + source)

    def load(self) -> None:
        """Takes up what is written there now."""
        self.tasks = self._load()
        self.app: Oakum = self.tasks.app

    def rewrite(self, old: str, new: str) -> None:
        """Puts something else in the place of some text of the application."""
        text = (self.path / "shop.py").read_text()
        assert old in text
        put(self.path / "shop.py", text.replace(old, new))
        # Python takes bytecode for current that has the text's size, and its time in whole seconds.
        shutil.rmtree(self.path / "__pycache__", ignore_errors=True)

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
        return whole_lines(self.path / "marks")

    def outcomes(self, job: Job[Any]) -> list[Outcome]:
        """How the starts of a job ended, but for the one that ended it well."""
        story = self.app.store.story(job._id)
        assert story is not None
        return [decode_record(start.record).outcome for start in story.starts]

    def said(self) -> str:
        return (self.path / "log").read_text()

    def tree(self, worker: subprocess.Popen[bytes]) -> dict[str, list[int]]:
        """The pids of Oakum's own processes below a worker that runs, by what they are. Any may end before it is used."""
        found: dict[str, list[int]] = {}
        for pid in descendants(worker.pid) if worker.poll() is None else ():
            started = start_ticks(pid)
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            if started is not None and name.startswith("oakum"):
                self._seen.add((pid, started))
                found.setdefault(name, []).append(pid)
        return found

    def settled(self, worker: subprocess.Popen[bytes], children: int) -> dict[str, list[int]]:
        """`tree` once there are a template and so many children, and nobody who is on the way to become one."""

        def found() -> dict[str, list[int]] | None:
            tree = self.tree(worker)
            there = {name: len(pids) for name, pids in tree.items()}
            return tree if there == {"oakum-template": 1, "oakum-child": children} else None

        return self.until(found)

    def stop(self, worker: subprocess.Popen[bytes]) -> None:
        """Stops a worker, but not in the midst of a write: there it would keep every other writer of the file waiting."""
        stat = Path(f"/proc/{worker.pid}/stat")
        while True:
            worker.send_signal(signal.SIGSTOP)
            self.until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
            locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
            if not any(lock[3] == "WRITE" and lock[4] == str(worker.pid) for lock in locks):
                return
            worker.send_signal(signal.SIGCONT)

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
        deadline = time.monotonic() + PATIENCE_S
        while (left := self._left()) and time.monotonic() < deadline:  # those of a killed worker end soon after it
            select.select([], [], [], 0.05)
        for pid in left:
            kill(pid)
        self.app.close()
        assert not left, f"processes were left behind: {left}"

    def _left(self) -> list[int]:
        return [pid for pid, started in self._seen if start_ticks(pid) == started]

    def _load(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("shop", self.path / "shop.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def kill(pid: int) -> bool:
    """Kills a process that may be ending by itself; whether it was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def put(path: Path, text: str) -> None:
    """Writes a file that others look at: they find what was there before or all that is there now, and nothing between."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that others write to, without one that is not there to its end; none where there is no file."""
    return path.read_text().split("\n")[:-1] if path.exists() else []
