"""A fresh file for each test, a bench to work at it, and other processes that use it too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oakum.clock import FakeClock
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance.bench import Bench

SECONDS = 60
PRELUDE = """
import os, sys
from oakum.clock import SystemClock
from oakum.errors import *
from oakum.model.job import *
from oakum.model.lifecycle import settle
from oakum.model.outcome import *
from oakum.model.task import TaskSpec
from oakum.store.base import *
from oakum.store.ids import IdSource
from oakum.store.sqlite.store import SqliteStore
path, words = sys.argv[1], sys.argv[2:]
store, ids = SqliteStore(path), IdSource()
def now(): return Instant.read(SystemClock())
def new(task="t"): return NewJob(ids.new(now().wall_ms), task, b"p")
def say(*what): print(*what, flush=True)
def hear(): return sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "work.db")


@pytest.fixture
def bench(path: str, clock: FakeClock) -> Iterator[Bench]:
    bench = Bench(lambda: SqliteStore(path), clock)
    yield bench
    bench.close()


@pytest.fixture
def start(path: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process with a store of its own on the same file; `say` and `hear` are its lines to the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *words: str, wrapper: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*wrapper, sys.executable, "-c", PRELUDE + code, path, *words]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=SECONDS)


@pytest.fixture
def outcome_of(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., list[str]]:
    """Runs a process to its end; the lines that it said."""

    def run(code: str, *words: str, wrapper: tuple[str, ...] = ()) -> list[str]:
        process = start(code, *words, wrapper=wrapper)
        said, complaint = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, complaint
        return said.splitlines()

    return run
