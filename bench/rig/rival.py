"""One engine under measure: commands to its adapter, its workers, what its store takes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench.rig.figure import quantile
from bench.rig.processes import pss, tree, tree_cpu_s
from bench.rig.servers import Server
from bench.rig.tally import Tally

from oakum.units import MIB

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE_S = 180.0
STOP_S = 3.0
LIGHT = ("50", "10")  # jobs a second, seconds


class Rival:
    """An engine `name`, in a `variant`, under `python`. Its files are in `directory`; it may use each of `servers`."""

    def __init__(self, name: str, variant: str, python: str, directory: str, servers: Mapping[str, Server]) -> None:
        self._command = [python, f"peer_{name}.py"]
        self._cwd = f"{BENCH}/peers"
        self._servers = servers
        self._file = f"{directory}/bench.db"
        self._tally = Tally(f"{directory}/hits")
        self._log = open(f"{directory}/log", "wb")  # noqa: SIM115 - as long as the rival
        addresses = {f"BENCH_{name.upper()}": server.url for name, server in servers.items()}
        self._environment = os.environ | {
            "BENCH_VARIANT": variant,
            "BENCH_HITS": self._tally.directory,
            **addresses,
            "BENCH_SQLITE": self._file,
            "PYTHONPATH": f"{BENCH}:{self._cwd}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.info = self._ask("info")

    def figures(self) -> dict[str, float]:
        """One run of everything."""
        return {**self._enqueue(), **self._work(), **self._light()}

    def close(self) -> None:
        """Lets go of its log."""
        self._log.close()

    def _enqueue(self) -> dict[str, float]:
        self._reset()
        single = self._ask("enqueue", self.info["singles"], "single")["rate"]
        self._reset()
        self._ask("enqueue", 10, "single")
        before = self._stored()
        bulk = self._ask("enqueue", self.info["jobs"], "bulk")
        return {
            "one by one": single,
            "in bulk": bulk["rate"],
            "bytes waiting": (self._stored() - before) / bulk["sent"],
        }

    def _work(self) -> dict[str, float]:
        """What is queued beforehand, by two processes: from when a first job was seen to have run to the last."""
        with self._workers() as pids:
            self._wait_for(1)
            began, cpu, early = time.monotonic(), _cpu_s(pids), self._tally.count()
            queued = self.info["jobs"] + 12
            self._wait_for(queued)
            late = max(1, queued - early)
            return {
                "jobs/s": late / (time.monotonic() - began),
                "us/job": (_cpu_s(pids) - cpu) / late * 1e6,
            }

    def _light(self) -> dict[str, float]:
        """Its idle size after two jobs; then the delays from before the enqueue to the start."""
        self._reset()
        with self._workers() as pids:
            sent = self._ask("enqueue", 1, "single")["sent"]
            self._wait_for(sent)
            time.sleep(2)
            idle = sum(pss(tree(pid)) for pid in pids) / MIB
            sent += self._ask("light", *LIGHT)["sent"]
            self._wait_for(sent)
        delays = self._tally.delays_ms()
        return {"p50 ms": quantile(delays, 0.5), "p99 ms": quantile(delays, 0.99), "idle MiB": idle}

    @contextlib.contextmanager
    def _workers(self) -> Iterator[list[int]]:
        """Two processes that run jobs, with what belongs to them, each command in a session of its own."""
        processes = [
            subprocess.Popen(
                command, cwd=self._cwd, env=self._environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            )
            for command in self._ask("workers", 2)
        ]  # fmt: skip
        try:
            yield [process.pid for process in processes]
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                _end(process)

    def _reset(self) -> None:
        """An empty store, made ready."""
        for path in self._files():
            os.unlink(path)
        for server in self._servers.values():
            server.fresh()
        self._ask("prepare")
        self._tally.clear()

    def _ask(self, *words: object) -> Any:
        told = subprocess.run(
            [*self._command, *map(str, words)], cwd=self._cwd, env=self._environment,
            stdout=subprocess.PIPE, stderr=self._log, timeout=PATIENCE_S, check=True,
        )  # fmt: skip
        return json.loads(told.stdout.splitlines()[-1])

    def _wait_for(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._tally.count() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._tally.count()} of {count} jobs ran within {PATIENCE_S:.0f} s")
            time.sleep(0.01)

    def _stored(self) -> int:
        """Bytes that its store takes."""
        if self.info["store"] == "sqlite":
            return sum(map(os.path.getsize, self._files()))
        return self._servers[self.info["store"]].used()

    def _files(self) -> list[str]:
        """Its database, and what SQLite has beside it."""
        return [self._file + suffix for suffix in ("", "-wal", "-shm") if os.path.exists(self._file + suffix)]


def _cpu_s(pids: list[int]) -> float:
    return sum(map(tree_cpu_s, pids))


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what did not go
    process.wait()
