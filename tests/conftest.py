"""What every test may ask for: a clock that stands still, and the database servers that script/test starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import settings
from tests.support.postgres import make_empty, new_schema
from tests.support.redis import forget_redis

from oakum.clock import FakeClock

# The same examples on every run and every machine, and no directory of remembered ones.
settings.register_profile("oakum", derandomize=True, database=None, deadline=None)
settings.load_profile("oakum")

# What runs the tests may have turned these off (nohup, a shell's background jobs), and programs started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_url() -> str:
    return _server("OAKUM_TEST_POSTGRES")


@pytest.fixture(scope="session")
def mysql_url() -> str:
    return _server("OAKUM_TEST_MYSQL")


@pytest.fixture(scope="session")
def redis_url() -> str:
    return _server("OAKUM_TEST_REDIS")


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


def _server(variable: str) -> str:
    """The server's address. A test that cannot reach its server has failed: a skipped test proves nothing."""
    url = os.environ.get(variable)
    if url is None:
        pytest.fail(f'{variable} is not set: run script/test, or first eval "$(script/servers start)"', pytrace=False)
    return url
