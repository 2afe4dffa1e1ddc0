"""Stores to try, and what is needed to make jobs for them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.support.postgres import make_empty, new_schema
from tests.support.redis import forget_redis

pytest.register_assert_rewrite("oakum.testing.conformance")


@pytest.fixture
def redis_store_url(redis_url: str) -> Iterator[str]:
    """A store of the test's own on the server, gone after it."""
    prefix = f"test-{uuid4().hex}"
    yield f"{redis_url}?prefix={prefix}"
    forget_redis(redis_url, prefix)


@pytest.fixture(scope="session")
def postgres_schema(postgres_url: str) -> Iterator[str]:
    with new_schema(postgres_url) as url:
        yield url


@pytest.fixture
def postgres_store_url(postgres_schema: str) -> str:
    """An empty store, which all tests of a run have in turn."""
    make_empty(postgres_schema)
    return postgres_schema
