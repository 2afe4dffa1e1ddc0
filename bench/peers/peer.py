"""Base of the adapters, and the commands that the benchmark gives them. Standard library only, any Python.

An adapter is a module peer_NAME.py that the peer's workers import, and that the benchmark runs as a program under the
peer's own Python:

    python peer_NAME.py info | reset | workers COUNT | enqueue COUNT single|bulk | light RATE SECONDS

It makes a `Peer`, whose variant is $BENCH_VARIANT. Its tasks are `noop` and `late` (one int), which call `hits`. Each
command prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/0")
SQLITE = os.environ.get("BENCH_SQLITE", "bench.db")
VARIANT = os.environ.get("BENCH_VARIANT", "")


def program(name: str) -> str:
    """A command of the peer's own environment."""
    return os.path.join(os.path.dirname(sys.executable), name)


class Peer:
    """One task engine. `gives_up`: what its settings here cost, in words; `jobs` make a run of some seconds."""

    packages: tuple[str, ...] = ()
    store = "redis"  # or sqlite: how the benchmark weighs what waits
    gives_up = ""
    jobs = 10_000
    singles = 3_000

    def __init__(self, tasks: dict[str, Any]) -> None:
        self.tasks = tasks

    def reset(self) -> None:
        """Empties its store."""
        import redis

        redis.Redis.from_url(REDIS).flushall()

    def send(self, task: str, *args: int) -> None:
        """Enqueues one job."""
        raise NotImplementedError

    def send_many(self, task: str, count: int) -> None:
        """Enqueues many jobs, in the best way that it has for that."""
        for _ in range(count):
            self.send(task)

    def workers(self, count: int) -> list[str]:
        """The command that starts `count` processes that run jobs."""
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

    async def asend(self, task: str, *args: int) -> None:
        """Enqueues one job."""
        raise NotImplementedError

    def send(self, task: str, *args: int) -> None:
        self._loop.run_until_complete(self.asend(task, *args))

    def send_many(self, task: str, count: int) -> None:
        async def send_all() -> None:
            for _ in range(count // self.at_once):
                await asyncio.gather(*(self.asend(task) for _ in range(self.at_once)))

        self._loop.run_until_complete(send_all())

    def enqueue(self, count: int, way: str) -> dict[str, Any]:
        if way == "bulk":
            return super().enqueue(count, way)

        async def send_each() -> float:  # in one run of the loop, whose start and end are not the peer's doing
            await self.asend("noop")
            began = time.perf_counter()
            for _ in range(count):
                await self.asend("noop")
            return time.perf_counter() - began

        seconds = self._loop.run_until_complete(send_each())
        self.close()
        return {"sent": count + 1, "rate": count / seconds}


def obey(peer: Peer) -> None:
    """Does what the command line says."""
    command, *words = sys.argv[1:]
    commands: dict[str, Callable[[], Any]] = {
        "info": peer.info,
        "reset": peer.reset,
        "workers": lambda: peer.workers(int(words[0])),
        "enqueue": lambda: peer.enqueue(int(words[0]), words[1]),
        "light": lambda: peer.light(float(words[0]), float(words[1])),
    }
    print(json.dumps(commands[command]()))


def remove(*paths: str) -> None:
    """Removes files that may be there."""
    for path in paths:
        if os.path.exists(path):
            os.unlink(path)
