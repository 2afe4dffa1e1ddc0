"""A directory to stand in, a store in it, and the command line as people type it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import pytest

from oakum.cli.main import main
from oakum.clock import SystemClock
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance.bench import Bench

Oakum = Callable[..., "Said"]


class Said(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory; nothing in the environment says where jobs are, and lines are 80 places long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("OAKUM_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def bench(here):
    """A worker's view of `oakum.db`, the store that is looked into by default."""
    with closing(Bench(lambda: SqliteStore("oakum.db"), SystemClock())) as bench:
        bench.store.counts()  # makes the file
        yield bench


@pytest.fixture
def oakum(here, capsys) -> Oakum:
    """Runs `oakum WORDS`."""

    def oakum(*words: str) -> Said:
        status = main(list(words))
        return Said(status, *capsys.readouterr())

    return oakum


@pytest.fixture
def app(here, monkeypatch):
    """Writes an application of the given text; answers its MODULE:APP."""
    names: list[str] = []

    def app(text: str) -> str:
        names.append(f"desk_{here.name}_{len(names)}".replace("-", "_"))
        (here / f"{names[-1]}.py").write_text(text)
        return f"{names[-1]}:app"

    yield app
    for name in names:
        sys.modules.pop(name, None)
