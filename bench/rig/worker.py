"""Workers under measure: started as programs of their own, waited for, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from bench.rig.processes import tree_cpu_s

from oakum.model.report import decode_report

if TYPE_CHECKING:
    from bench.rig.scene import Scene

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
APP = "bench.rig.tasks:app"
PATIENCE_S = 300.0
IDLE_S = 20.0


class Pace(NamedTuple):
    """How fast jobs went: jobs a second, and processor microseconds of all processes for each."""

    rate: float
    cpu_us: float


class Worker:
    """One worker on a scene's store, or several alike, measured as one. Its waits end early, with an error, when one has ended."""

    def __init__(self, scene: Scene, options: tuple[str, ...], count: int, kernel_ring: bool) -> None:
        self._scene = scene
        program = ["-m", "oakum", "worker"] if kernel_ring else ["-m", "bench.rig.ringless"]
        command = [sys.executable, *program, APP, "--slots", "2", "--memory", "1GiB", *options]
        self._processes = [
            subprocess.Popen(command, cwd=ROOT, env=scene.environment, stderr=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        self.pid = self._processes[0].pid
        for process in self._processes:
            assert process.stderr is not None
            started = process.stderr.readline()
            if "slots" not in started:
                raise RuntimeError(started + self.stop())

    def stop(self) -> str:
        """Ends it in peace; what it said last."""
        self._signal(signal.SIGTERM)
        return "".join(process.communicate()[1] for process in self._processes)

    def wait_for(self, condition: Callable[[], bool], every_s: float = 0.01) -> None:
        """Returns when `condition` holds. Raises RuntimeError when the worker has ended, or that takes minutes."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            for process in self._processes:
                if process.poll() is not None:
                    raise RuntimeError(f"a worker has ended with status {process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError("waited in vain: look at the machine, then at the worker")
            time.sleep(every_s)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Has it claim nothing meanwhile."""
        self._signal(signal.SIGUSR1)
        self.wait_for(lambda: self._states() == {"quiet"})
        yield
        self._signal(signal.SIGUSR2)

    def finish(self) -> Pace:
        """Waits until all that was filled in has run and is settled; the pace, from when the first was seen to start."""
        scene = self._scene
        return self._pace(lambda: scene.hits() >= scene.filled and scene.settled() >= scene.filled)

    def run(self, jobs: int) -> Pace:
        """Waits until so many have run, of more that wait; the pace, from when the first was seen to start."""
        enough = self._scene.hits() + jobs
        return self._pace(lambda: self._scene.hits() >= enough)

    def percent(self) -> float:
        """The part of a processor that its whole tree takes, measured for some time."""
        before, began = self.cpu_s(), time.monotonic()
        time.sleep(IDLE_S)
        return (self.cpu_s() - before) / (time.monotonic() - began) * 100

    def cpu_s(self) -> float:
        """Processor seconds of its whole tree so far."""
        return sum(tree_cpu_s(process.pid) for process in self._processes)

    def _pace(self, over: Callable[[], bool]) -> Pace:
        scene, before = self._scene, self._scene.hits()
        self.wait_for(lambda: scene.hits() > before or before == scene.filled, every_s=0.001)
        began, cpu, early = time.monotonic(), self.cpu_s(), scene.hits()
        self.wait_for(over, every_s=0.005)
        late = max(1, scene.hits() - early)
        return Pace(late / (time.monotonic() - began), (self.cpu_s() - cpu) * 1e6 / late)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send_signal(number)

    def _states(self) -> set[str]:
        """What it last said of itself."""
        pids = {process.pid for process in self._processes}
        said = [
            decode_report(each.report) for each in self._scene.app.desk.store.holders() if each.identity.pid in pids
        ]
        return {report.state if report is not None else "" for report in said}
