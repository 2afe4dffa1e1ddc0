"""A store of its own on a real disk, and workers on it that are started, watched and stopped."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator

from bench.rig.tally import Tally
from bench.rig.tasks import application
from bench.rig.worker import ROOT, Worker

from oakum.model.job import State


class Scene:
    """One store, its application here, and what its tasks counted."""

    def __init__(self, directory: str, url: str | None = None) -> None:
        self.file = f"{directory}/work.db"
        self.url = url or f"sqlite:///{self.file}"
        self.app = application(self.url)
        self.filled = 0
        self._tally = Tally(f"{directory}/hits")
        self.environment = os.environ | {
            "BENCH_STORE": self.url,
            "BENCH_HITS": self._tally.directory,
            "PYTHONPATH": ROOT,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def fill(self, count: int, task: str = "noop") -> float:
        """Enqueues jobs in bulk; how many a second."""
        made = self.app.find_task(task)
        self.filled += count
        began = time.perf_counter()
        self.app.enqueue_many(made.job() for _ in range(count))
        return count / (time.perf_counter() - began)

    def fill_singly(self, count: int) -> float:
        """Enqueues no-ops one by one; how many a second."""
        noop = self.app.find_task("noop")
        self.filled += count
        began = time.perf_counter()
        for _ in range(count):
            noop.enqueue()
        return count / (time.perf_counter() - began)

    @contextlib.contextmanager
    def worker(self, *options: str, count: int = 1, kernel_ring: bool = True) -> Iterator[Worker]:
        """A worker, or `count` of them, with two children and a room of 1 GiB each unless `options` say otherwise."""
        worker = Worker(self, options, count, kernel_ring)
        try:
            yield worker
        finally:
            worker.stop()

    def hits(self) -> int:
        """How many jobs have run, by their own count."""
        return self._tally.count()

    def delays_ms(self) -> list[float]:
        """The delays that `late` noted, in order of size."""
        return self._tally.delays_ms()

    def settled(self) -> int:
        """How many jobs the store knows to have completed."""
        return sum(count.jobs for count in self.app.desk.store.counts() if count.state is State.COMPLETED)


@contextlib.contextmanager
def scene(directory: str | None = None, url: str | None = None) -> Iterator[Scene]:
    """A scene in a new directory below `directory`, which is removed afterwards; its store is there, or at `url`."""
    with tempfile.TemporaryDirectory(prefix="oakum-bench-", dir=directory) as place:
        made = Scene(place, url)
        try:
            yield made
        finally:
            made.app.close()
