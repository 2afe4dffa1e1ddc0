"""A worker under measure: started as a program of its own, waited for, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from bench.rig.processes import cpu_s, tree

from oakum.model.report import decode_report

if TYPE_CHECKING:
    from bench.rig.scene import Scene

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
APP = "bench.rig.tasks:app"
PATIENCE_S = 300.0


class Pace(NamedTuple):
    """How fast jobs went: jobs a second, and processor microseconds of all processes for each."""

    rate: float
    cpu_us: float


class Worker:
    """One worker on a scene's store. Its waits end early, with an error, when its process does."""

    def __init__(self, scene: Scene, options: tuple[str, ...], kernel_ring: bool) -> None:
        self._scene = scene
        program = ["-m", "oakum", "worker"] if kernel_ring else ["-m", "bench.rig.ringless"]
        command = [sys.executable, *program, APP, "--slots", "2", "--memory", "1GiB", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, env=scene.environment, stderr=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        assert self._process.stderr is not None
        started = self._process.stderr.readline()
        if "slots" not in started:
            raise RuntimeError(started + self.stop())

    def stop(self) -> str:
        """Ends it in peace; what it said last."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.communicate()[1]

    def wait_for(self, condition: Callable[[], bool], every_s: float = 0.01) -> None:
        """Returns when `condition` holds. Raises RuntimeError when the worker has ended, or that takes minutes."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if self._process.poll() is not None:
                raise RuntimeError(f"the worker has ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError("waited in vain: look at the machine, then at the worker")
            time.sleep(every_s)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Has it claim nothing meanwhile."""
        self._process.send_signal(signal.SIGUSR1)
        self.wait_for(lambda: self._state() == "quiet")
        yield
        self._process.send_signal(signal.SIGUSR2)

    def finish(self) -> Pace:
        """Waits until all that was filled in has run and is settled; the pace, from when the first was seen to start."""
        scene, before = self._scene, self._scene.hits()
        self.wait_for(lambda: scene.hits() > before or before == scene.filled, every_s=0.001)
        began, cpu, early = time.monotonic(), self.cpu_s(), scene.hits()
        self.wait_for(lambda: scene.hits() >= scene.filled)
        self.wait_for(lambda: scene.settled() >= scene.filled, every_s=0.002)
        late = max(1, scene.filled - early)
        return Pace(late / (time.monotonic() - began), (self.cpu_s() - cpu) * 1e6 / late)

    def cpu_s(self) -> float:
        """Processor seconds of its whole tree so far."""
        return sum(cpu_s(each) for each in tree(self.pid))

    def _state(self) -> str:
        """What it last said of itself."""
        report = decode_report(self._scene.app.desk.store.holders()[-1].report)
        return report.state if report is not None else ""
