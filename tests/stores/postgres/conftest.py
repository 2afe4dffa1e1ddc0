"""A server of these tests' own, which they may kill."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import PostgresServer

from oakum.clock import FakeClock
from oakum.store.postgres.store import PostgresStore
from oakum.testing.conformance.bench import Bench


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:  # pytest's own may not be entered by nobody
        Path(path).chmod(0o755)
        with PostgresServer(Path(path) / "server") as server:
            yield server


@pytest.fixture
def bench(postgres_store_url: str, clock: FakeClock) -> Iterator[Bench]:
    bench = Bench(lambda: PostgresStore(postgres_store_url), clock)
    yield bench
    bench.close()
