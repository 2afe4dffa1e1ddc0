"""What stops a job that wants 3 GB and may have 300 MiB, and how far it gets; and what that watch costs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import NamedTuple, Self

from bench.rig.figure import Figure, at_most
from bench.rig.processes import side_threads_cpu_s
from bench.rig.scene import Scene, scene
from bench.rig.tasks import HOG_BUDGET

from oakum.errors import JobError
from oakum.host.tree import children, descendants, resident
from oakum.model.ids import parse_id
from oakum.model.outcome import OverBudget, decode_record
from oakum.run.child.gauge import Gauge
from oakum.units import MIB, parse_size

WANTED_MIB = 3000
BUDGET = parse_size(HOG_BUDGET)
EVERY_S = 0.0005
SPINS = 5000


class Case(NamedTuple):
    """One way to take memory; `before`: MiB that the same child has taken and freed first."""

    name: str
    kind: str
    most_mib: float
    lift_ring_1: bool = False
    before: int = 0


CASES = (
    Case("blocks of 1 MiB", "blocks", 10),
    Case("blocks, the child has freed 150 MB before", "blocks", 10, before=150),
    Case("one bytearray", "at once", 10),
    Case("numpy", "numpy", 10),
    Case("blocks, ring 1 lifted by the task", "blocks", 64, lift_ring_1=True),
    Case("one bytearray, ring 1 lifted", "at once", 64, lift_ring_1=True),
    Case("shared mmap", "shared", 64),
    Case("a process of the job's own", "elsewhere", 64),
)


def budget() -> list[Figure]:
    """Peaks beyond the budget, of the whole tree, seen from outside twice a millisecond; the kernel's ring is off."""
    figures = []
    with scene() as one:
        for case in CASES:
            if case.kind == "numpy" and not _has_numpy():
                continue
            with one.worker("--slots", "1", kernel_ring=False) as worker:
                figures.append(_try(one, worker.pid, case))
    return figures


def _try(one: Scene, pid: int, case: Case) -> Figure:
    task = one.app.find_task("hog")
    task.enqueue("blocks", case.before or 1, False).wait("60s")
    with _Outside(pid) as outside:
        job = task.enqueue(case.kind, WANTED_MIB, case.lift_ring_1)
        with contextlib.suppress(JobError):
            job.wait("60s")
    ended = one.app.desk.store.outcome(parse_id(job.id))
    outcome = decode_record(ended[1] or b"").outcome if ended is not None else None
    note = f"ring {outcome.ring}" if isinstance(outcome, OverBudget) else f"NOT CAUGHT: {outcome}"
    over = (outside.most - BUDGET) / MIB
    return Figure(f"over {HOG_BUDGET}: {case.name}", "MiB", over, None, at_most(case.most_mib), note)


def _has_numpy() -> bool:
    try:
        import numpy  # noqa: F401
    except ImportError:
        return False
    return True


class _Outside:
    """Looks at a worker's tree as fast as it can; `most` is the largest growth that it saw, in bytes."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        self._rest = {each: resident(each) or 0 for each in (pid, *children(pid))}
        self._open = True
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()

    def _live(self) -> None:
        while self._open:
            self.most = max(self.most, self._grown())
            time.sleep(EVERY_S)

    def _grown(self) -> int:
        own = [self._pid, *children(self._pid)]
        grown = 0
        for each in own:
            size = resident(each) or 0
            grown += size - self._rest.setdefault(
                each, size
            )  # what a new child has at once, it shares with the template
        return grown + sum(resident(below) or 0 for kid in own[1:] for below in descendants(kid))


def cost() -> list[Figure]:
    """What limits and measures cost a job of 1 ms: the gauge in its child, the meter's thread in the worker."""
    rounds = _rounds_of_a_millisecond()
    with scene() as one, one.worker() as worker:
        spin = one.app.find_task("spin")
        spin.enqueue(rounds).wait("30s")
        before = side_threads_cpu_s(worker.pid)
        one.app.enqueue_many(spin.job(rounds) for _ in range(SPINS))
        worker.wait_for(lambda: one.hits() == SPINS + 1)
        meter_us = (side_threads_cpu_s(worker.pid) - before) / SPINS * 1e6
    gauge_us = _gauge_us()
    return [
        Figure("gauge: limit set, peak reset and read", "us", gauge_us),
        Figure("meter: its thread's processor time", "us", meter_us),
        Figure("both, of a 1 ms job", "%", (gauge_us + meter_us) / 10, None, at_most(2)),
    ]


def _gauge_us() -> float:
    """In a forked process, as children are: their peaks can be read more cheaply than those of a program."""
    read, write = os.pipe()
    if pid := os.fork():
        os.close(write)
        os.waitpid(pid, 0)
        with os.fdopen(read) as told:
            return float(told.read())
    try:
        gauge = Gauge()
        began = time.process_time()
        for _ in range(SPINS):
            gauge.arm(BUDGET, 0)
            gauge.finish()
        os.write(write, str((time.process_time() - began) / SPINS * 1e6).encode())
    finally:
        os._exit(0)


def _rounds_of_a_millisecond() -> int:
    rounds, spent = 1000, 0.0
    while spent < 0.001:
        rounds *= 2
        began = time.perf_counter()
        for _ in range(rounds):
            pass
        spent = time.perf_counter() - began
    return int(rounds * 0.001 / spent)
