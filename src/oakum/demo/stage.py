"""The demo itself: a worker in a room, work and trouble for it, an eye on its size from outside, and the reckoning."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from oakum.errors import CannotRun
from oakum.host.tree import descendants, proportional
from oakum.model.job import NewJob, State
from oakum.model.outcome import Usage, decode_record
from oakum.store.base import Store, Story
from oakum.units import MIB

if TYPE_CHECKING:
    from oakum.demo.work import Facts

ROOM: Final = 256 * MIB
SLOTS: Final = 2
LEAKS: Final = 16
LATE_RUNS: Final = 40
PATIENCE_S: Final = 300.0
LOOK_S: Final = 0.05


@dataclass(slots=True)
class Result:
    """What came of it. Bytes and seconds."""

    files: int
    done: int
    seconds: float
    peak: int
    facts: Facts
    calm_ms: float
    rough_ms: float
    unparsable: int = 0
    stories: dict[str, list[Story]] = field(default_factory=dict)


class Eye:
    """Measures a process tree from outside: the largest sum of its processes' PSS, looked at twenty times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="eye")
        self.peak = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            pids = [self._pid, *descendants(self._pid)]
            self.peak = max(self.peak, sum(proportional(pid) or 0 for pid in pids))


def play(sources: list[str], look: Callable[[Store], None]) -> Result:
    """Runs the demo in a directory of its own; `look` is called a few times a second with the store.

    Raises CannotRun when the work does not come to an end.
    """
    with tempfile.TemporaryDirectory(prefix="oakum-demo-") as directory:
        os.environ["OAKUM_DEMO_STORE"] = f"sqlite:///{directory}/demo.db"
        from oakum.demo import work  # reads where its store is when it is imported

        command = [
            sys.executable,
            "-m",
            "oakum",
            "worker",
            "oakum.demo.work:app",
            "--memory",
            str(ROOM),
            "--slots",
            str(SLOTS),
        ]
        with open(f"{directory}/worker.log", "wb") as log:
            worker = subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True)
        try:
            with Eye(worker.pid) as eye:
                return _perform(sources, worker, eye, look)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait()
            work.app.close()


def _perform(sources: list[str], worker: subprocess.Popen[bytes], eye: Eye, look: Callable[[Store], None]) -> Result:
    from oakum.demo import work as tasks

    app, store = tasks.app, tasks.app.store
    calm = [tasks.study.job(argparse_source()) for _ in range(20)]
    app.enqueue_many(calm)
    _until_ended(store, calm, worker, look)
    began = time.monotonic()
    jobs = [tasks.study.job(path) for path in sources]
    rough = [tasks.study.using(priority=1).job(argparse_source()) for _ in range(20)]
    trouble: dict[str, list[NewJob]] = {
        "hoard": [tasks.hoard.job(2048 * MIB)],
        "leak": [tasks.leak.job(8 * MIB) for _ in range(LEAKS)],
        "hang": [tasks.hang.job()],
        "vanish": [tasks.vanish.job()],
        "stumble": [tasks.stumble.job()],
        "refresh": [],
    }
    app.enqueue_many([*jobs, *rough, *(job for group in trouble.values() for job in group)])
    for number in range(LATE_RUNS):
        late = tasks.refresh.job(number)
        trouble["refresh"].append(late)
        app.enqueue_many([late])
    everything = [*jobs, *rough, *(job for group in trouble.values() for job in group)]
    _until_ended(store, everything, worker, look)
    seconds = time.monotonic() - began
    facts, unparsable = [], 0
    for job in jobs:
        state, record = app.desk.look(job.id)
        if state is State.COMPLETED and record is not None:
            facts.append(tasks.study.arguments.result(getattr(decode_record(record).outcome, "result", None)))
        else:
            unparsable += state is State.FAILED
    return Result(
        files=len(jobs),
        done=len(facts),
        seconds=seconds,
        peak=eye.peak,
        facts=tasks.report.enqueue(facts).wait("60s"),
        calm_ms=_median(store, calm),
        rough_ms=_median(store, rough),
        unparsable=unparsable,
        stories={name: [story for job in group if (story := store.story(job.id))] for name, group in trouble.items()},
    )


def argparse_source() -> str:
    """The file that is parsed again and again, to see whether trouble beside it slows it down."""
    import argparse

    return argparse.__file__


def _until_ended(
    store: Store, jobs: list[NewJob], worker: subprocess.Popen[bytes], look: Callable[[Store], None]
) -> None:
    waiting, deadline = list(jobs), time.monotonic() + PATIENCE_S
    bell = store.listen("results")
    try:
        while waiting:
            if worker.poll() is not None:
                raise CannotRun(f"demo: the worker ended with status {worker.returncode}")
            if time.monotonic() > deadline:
                raise CannotRun(f"demo: {len(waiting)} jobs did not end within {PATIENCE_S:.0f} s")
            look(store)
            bell.wait(0.25)
            waiting = [job for job in waiting if not _ended(store, job)]
    finally:
        bell.close()


def _ended(store: Store, job: NewJob) -> bool:
    found = store.outcome(job.id)
    return found is not None and found[0].terminal


def _median(store: Store, jobs: list[NewJob]) -> float:
    times = sorted(usage.duration_us for job in jobs if (usage := _usage(store, job)) is not None)
    return times[len(times) // 2] / 1000 if times else 0.0


def _usage(store: Store, job: NewJob) -> Usage | None:
    found = store.outcome(job.id)
    return decode_record(found[1]).usage if found is not None and found[1] is not None else None
