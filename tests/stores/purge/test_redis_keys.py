"""Results that Celery left in Redis without an expiry."""

import pytest
import redis

from oakum.clock import SystemClock
from oakum.errors import CannotRun, UsageError
from oakum.purge import Options
from oakum.purge.ready import READY
from oakum.purge.redis_keys import RedisKeys


@pytest.fixture
def client(redis_url):
    client = redis.Redis.from_url(redis_url)
    for key in client.scan_iter("celery-task*"):
        client.delete(key)
    yield client
    client.close()


def purge(url, older_than, **given):
    [report] = READY["celery-redis"].run(url, older_than, Options(**given))
    return report


def test_results_untouched_for_long_go_and_others_stay(client, redis_url):
    for number in range(2_500):
        client.set(f"celery-task-meta-{number}", "x")
    client.set("celery-taskset-meta-1", "x")
    client.set("celery-task-meta-expiring", "x", ex=1000)
    client.set("celery", "a queue")
    assert purge(redis_url, "1h").rows == 0  # touched just now
    assert purge(redis_url, "0s", dry_run=True).would == 2_501
    report = purge(redis_url, "0s")
    assert (report.rows, report.unit, report.ended) == (2_501, "keys", "done")
    assert client.exists("celery-task-meta-expiring", "celery") == 2
    client.delete("celery")


def test_a_redis_that_is_not_there_is_one_clear_line():
    with pytest.raises(CannotRun, match=r"Redis: .*refused"):
        purge("redis://127.0.0.1:1", "1h")


def test_a_url_that_is_none_is_refused():
    with pytest.raises(UsageError, match="redis://"):
        RedisKeys("http://here", ("x",), 1.0, SystemClock())
