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

PATIENCE_S = 60.0


class Workshop:
    """A directory with an application `shop.py` in it and its store; workers are started there."""

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._workers: list[subprocess.Popen[bytes]] = []
        self._pids: set[int] = set()
        self.write(source)
        self.tasks = self._load()
        self.app: Oakum = self.tasks.app

    def write(self, source: str) -> None:
        head = f"import os, signal, sys, time\nfrom oakum import *\napp = Oakum('sqlite:///{self.path}/work.db')\nHERE = {str(self.path)!r}\n"
        (self.path / "shop.py").write_text(head + source)

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "oakum", "worker", "shop:app", "--memory", "512MiB", "--slots", "2", *options]
        with (self.path / "log").open("ab") as log:
            worker = subprocess.Popen(command, cwd=self.path, stderr=log, stdout=log)
        self._workers.append(worker)
        return worker

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
