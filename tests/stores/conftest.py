"""What is needed to make jobs for stores, and the servers that only their tests need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.pgbouncer import PgBouncer
from tests.support.redis import RedisServer, forget_redis

pytest.register_assert_rewrite("oakum.testing.conformance")


@pytest.fixture(scope="session")
def pgbouncer(postgres_url: str) -> Iterator[PgBouncer]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:  # pytest's own may not be entered by nobody
        with PgBouncer(Path(path), postgres_url) as pooler:
            yield pooler


@pytest.fixture
def pgbouncer_store_url(postgres_store_url: str, pgbouncer: PgBouncer) -> str:
    """The same empty store, through a pooler."""
    return pgbouncer.url(postgres_store_url)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RedisServer(tmp_path_factory.mktemp("valkey"), kind="valkey") as server:
        yield server.url


@pytest.fixture
def valkey_store_url(valkey_url: str) -> Iterator[str]:
    """A store of the test's own on that server, gone after it."""
    prefix = f"test-{uuid4().hex}"
    yield f"{valkey_url}?prefix={prefix}"
    forget_redis(valkey_url, prefix)
