"""When the server fails: a clean error, nothing lost, nothing doubled, and the next call goes on. Lines: ../test_lines.py."""

from __future__ import annotations

import contextlib
import threading

import pytest
from redis.exceptions import RedisError
from tests.support.proxy import Fault, Proxy

from oakum.errors import NotEnqueued, StoreError, StoreFull
from oakum.model.job import JobQuery, State
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed
from oakum.model.task import TaskSpec


def is_script(request: bytes) -> bool:
    return b"EVAL" in request


@pytest.fixture
def proxy(server):
    with Proxy("127.0.0.1", server.port) as one:
        yield one


@pytest.fixture
def through(proxy, use):
    """A user beyond the proxy, connected, of a server that knows the scripts."""
    warm = use(f"redis://127.0.0.1:{proxy.port}/0?prefix=warm")
    warm.insert()
    worker = warm.worker()
    assert warm.store.settle([end(warm, job) for job in warm.claim(worker)], worker, warm.now) == []
    one = use(f"redis://127.0.0.1:{proxy.port}/0")
    one.store.counts()
    return one


def jobs_in(user) -> int:
    return sum(count.jobs for count in user.store.counts())


def end(user, job):
    return settle(job, Completed(), None, TaskSpec("t"), user.now.wall_ms, 0.5)


def test_a_claim_whose_answer_was_lost_is_answered_again(proxy, through):
    jobs = through.insert(5)
    worker = through.worker()
    (first,) = through.claim(worker, limit=1)
    with proxy.doing(Fault.CUT_REPLY, times=1, when=is_script), pytest.raises(StoreError):
        through.claim(worker, limit=2)
    assert [job.id for job in through.claim(worker, limit=1)] == [job.id for job in jobs[1:3]]
    rest = through.claim(worker)
    assert [job.id for job in rest] == [job.id for job in jobs[3:]]
    assert len(through.store.held(worker, 99)) == 5
    assert first.id == jobs[0].id


def test_a_claim_that_never_arrived_is_made(proxy, through):
    (job,) = through.insert()
    worker = through.worker()
    with proxy.doing(Fault.CUT_REQUEST, times=1, when=is_script), pytest.raises(StoreError):
        through.claim(worker)
    assert [each.id for each in through.claim(worker)] == [job.id]


def test_a_killed_server_comes_back_with_what_it_acknowledged(server, user):
    jobs = user.insert(20)
    worker = user.worker()
    claimed = user.claim(worker, limit=10)
    server.kill()
    with pytest.raises(StoreError, match=r"cannot reach|broke"):
        user.store.counts()
    server.start()
    late = user.store.settle([end(user, job) for job in claimed], worker, user.now)
    assert late == []
    assert [job.id for job in user.claim(worker)] == [job.id for job in jobs[10:]]


def test_a_replica_takes_nothing_until_it_is_the_primary(server, user):
    user.insert()
    with server.client as client:
        client.replicaof("127.0.0.1", 1)
        client.config_set("replica-serve-stale-data", "yes")
        with pytest.raises(NotEnqueued, match="which server is the primary"):
            user.insert()
        client.replicaof("NO", "ONE")
    user.insert()
    assert jobs_in(user) == 2


def test_a_server_that_is_busy_with_a_script_says_so(server, user):
    user.insert()
    with server.client as client, server.client as busy:
        client.config_set("busy-reply-threshold", 1)
        endless = threading.Thread(target=_run_until_killed, args=(busy,))
        endless.start()
        with pytest.raises(StoreError, match="BUSY"):
            while True:
                user.store.counts()
        client.script_kill()
        endless.join()
    assert jobs_in(user) == 1


def test_a_full_server_takes_no_jobs_and_lets_those_at_hand_end(server, user):
    user.insert(50)
    worker = user.worker()
    claimed = user.claim(worker, limit=10)
    with server.client as client:
        client.config_set("maxmemory", 1_000_000)
        with pytest.raises(NotEnqueued, match="maxmemory") as told:
            user.insert()
        assert isinstance(told.value.__cause__, StoreFull)
        assert user.store.settle([end(user, job) for job in claimed], worker, user.now) == []
        assert user.store.renew(worker, 30_000, b"report", user.now)
        assert len(user.claim(worker, limit=5)) == 5
        assert user.store.cancel([view.id for view in _waiting(user)], user.now)
        user.clock.advance(1e6)
        assert user.store.prune(user.now) == 45
        client.config_set("maxmemory", 0)
    user.insert()


def _run_until_killed(client):
    with contextlib.suppress(RedisError):
        client.eval("while true do end", 0)


def _waiting(user):
    return user.store.jobs(JobQuery(states=(State.AVAILABLE,))).jobs


def test_a_server_that_is_loading_says_so(server, user):
    jobs = user.insert(3000, b"p" * 100)
    with server.client as client:
        client.bgrewriteaof()  # what it loads slowly is a snapshot
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass
    server.kill()
    server.start("--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024", loading=True)
    with pytest.raises(NotEnqueued, match="still loading its data"):
        user.insert()
    with server.client as client:
        client.config_set("key-load-delay", 0)
    server.wait()
    assert [view.id for view in _waiting(user)] == [job.id for job in reversed(jobs)][:100]
