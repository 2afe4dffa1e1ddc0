"""Base of the adapters, and the commands that the benchmark gives them. Standard library only, any Python.

An adapter is a module peer_NAME.py that the peer's workers import, and that the benchmark runs as a program under the
peer's own Python:

    python peer_NAME.py info | prepare | workers COUNT | enqueue COUNT single|bulk | light RATE SECONDS

It makes a `Peer`, whose variant is $BENCH_VARIANT. Its tasks are `noop` and `late` (one int), which call `hits`. Each
command prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

POSTGRES = os.environ.get("BENCH_POSTGRES", "postgresql://127.0.0.1/bench")
REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/0")
SQLITE = os.environ.get("BENCH_SQLITE", "bench.db")
VARIANT = os.environ.get("BENCH_VARIANT", "")


def program(name: str) -> str:
    """A command of the peer's own environment."""
    return os.path.join(os.path.dirname(sys.executable), name)


def run(name: str, *words: str) -> None:
    """Runs such a command; what it prints is of no interest."""
    subprocess.run([program(name), *words], check=True, stdout=subprocess.DEVNULL)


class Peer:
    """One task engine. `gives_up`: what its settings here cost, in words; `jobs` make a run of some seconds."""

    packages: tuple[str, ...] = ()
    store = "redis"  # or sqlite, postgres: where its jobs are
    gives_up = ""
    jobs = 10_000
    singles = 3_000

    def __init__(self, tasks: dict[str, Any]) -> None:
        self.tasks = tasks

    def prepare(self) -> None:
        """Makes in an empty store what it needs there."""

    def open(self) -> None:
        """Begins sending."""

    def send(self, task: str, *args: int) -> None:
        """Enqueues one job."""
        raise NotImplementedError

    def send_many(self, task: str, count: int) -> None:
        """Enqueues many jobs, in the best way that it has for that."""
        for _ in range(count):
            self.send(task)

    def workers(self, count: int) -> list[list[str]]:
        """The commands that together start `count` processes that run jobs."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what sending began."""

    # -- commands ------------------------------------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in self.packages)
        return {
            "versions": versions,
            "store": self.store,
            "gives_up": self.gives_up,
            "jobs": self.jobs,
            "singles": self.singles,
        }

    def enqueue(self, count: int, way: str) -> dict[str, Any]:
        self.open()
        self.send("noop")  # connections, scripts, tables
        began = time.perf_counter()
        if way == "bulk":
            self.send_many("noop", count)
        else:
            for _ in range(count):
                self.send("noop")
        seconds = time.perf_counter() - began
        self.close()
        return {"sent": count + 1, "rate": count / seconds}

    def light(self, rate: float, seconds: float) -> dict[str, Any]:
        self.open()
        began = time.monotonic()
        for place in range(int(rate * seconds)):
            time.sleep(max(0.0, began + place / rate - time.monotonic()))
            self.send("late", time.monotonic_ns())
        self.close()
        return {"sent": int(rate * seconds)}


class AsyncPeer(Peer):
    """A peer whose way in is async; many jobs are sent a hundred at a time."""

    at_once = 100

    def __init__(self, tasks: dict[str, Any]) -> None:
        super().__init__(tasks)
        self._loop = asyncio.new_event_loop()

    async def aopen(self) -> None:
        """Begins sending."""

    async def asend(self, task: str, *args: int) -> None:
        """Enqueues one job."""
        raise NotImplementedError

    async def asend_many(self, task: str, count: int) -> None:
        """Enqueues many jobs, in the best way that it has for that."""
        for _ in range(count // self.at_once):
            await asyncio.gather(*(self.asend(task) for _ in range(self.at_once)))

    async def aclose(self) -> None:
        """Ends what sending began."""

    def open(self) -> None:
        self._loop.run_until_complete(self.aopen())

    def close(self) -> None:
        self._loop.run_until_complete(self.aclose())

    def send(self, task: str, *args: int) -> None:
        self._loop.run_until_complete(self.asend(task, *args))

    def send_many(self, task: str, count: int) -> None:
        self._loop.run_until_complete(self.asend_many(task, count))

    def enqueue(self, count: int, way: str) -> dict[str, Any]:
        if way == "bulk":
            return super().enqueue(count, way)

        async def send_each() -> float:  # in one run of the loop, whose start and end are not the peer's doing
            await self.asend("noop")
            began = time.perf_counter()
            for _ in range(count):
                await self.asend("noop")
            return time.perf_counter() - began

        self.open()
        seconds = self._loop.run_until_complete(send_each())
        self.close()
        return {"sent": count + 1, "rate": count / seconds}


def obey(peer: Peer) -> None:
    """Does what the command line says."""
    command, *words = sys.argv[1:]
    commands: dict[str, Callable[[], Any]] = {
        "info": peer.info,
        "prepare": peer.prepare,
        "workers": lambda: peer.workers(int(words[0])),
        "enqueue": lambda: peer.enqueue(int(words[0]), words[1]),
        "light": lambda: peer.light(float(words[0]), float(words[1])),
    }
    print(json.dumps(commands[command]()))
