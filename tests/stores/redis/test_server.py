"""Which servers are trusted with jobs, and what is said of those that are not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.redis import RedisServer

from oakum.errors import NotAStore, StoreError, StoreTooNew, UsageError
from oakum.store.open import open_store

WITHOUT = """
import sys

class Without:
    def find_spec(self, name, *_):
        if name == {missing!r}:
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Without())
from oakum.store.open import open_store
open_store("redis://h")
"""


def config(server: RedisServer, **settings: str) -> None:
    with server.client as client:
        for name, value in settings.items():
            client.config_set(name.replace("_", "-"), value)


@pytest.mark.parametrize(
    ("sync", "says"),
    [("always", "nothing acknowledged is lost"), ("everysec", "the last 2 s"), ("no", "some 30 s")],
)
def test_it_says_what_survives(server, user, sync, says):
    config(server, appendfsync=sync)
    assert says in user.store.durability


def test_without_a_log_it_does_not_start(server, use):
    config(server, appendonly="no")
    with pytest.raises(StoreError, match=r"CONFIG SET appendonly yes.*allow_lossy=true"):
        use(server.url).insert()
    lossy = use(f"{server.url}?allow_lossy=true")
    lossy.insert()
    assert "loses everything since its last snapshot" in lossy.store.durability


def test_with_an_evicting_policy_it_does_not_start(server, use):
    config(server, maxmemory_policy="allkeys-lru")
    with pytest.raises(StoreError, match=r"allkeys-lru deletes jobs.*noeviction.*allow_lossy=true"):
        use(server.url).insert()
    use(f"{server.url}?allow_lossy=true").insert()


def test_a_server_that_is_mended_is_used(server, user):
    config(server, appendonly="no")
    with pytest.raises(StoreError):
        user.insert()
    config(server, appendonly="yes")
    user.insert()


def test_a_server_that_does_not_tell_must_be_vouched_for(tmp_path, use):
    with RedisServer(tmp_path, "--rename-command", "CONFIG", "") as server:
        with pytest.raises(StoreError, match=r"does not tell how durable it is.*durability=always"):
            use(server.url).insert()
        vouched = use(f"{server.url}?durability=everysec")
        vouched.insert()
        assert "the last 2 s" in vouched.store.durability
        use(f"{server.url}?allow_lossy=true").insert()


def test_a_newer_store_is_left_alone(server, user, use):
    user.insert()
    with server.client as client:
        client.hset("{oakum}:meta", "version", 99)
    for late in (user, use(server.url)):
        with pytest.raises(StoreTooNew, match="schema 99 was written by a newer Oakum"):
            late.store.counts()


def test_other_data_under_its_prefix_is_left_alone(server, user):
    with server.client as client:
        client.set("{oakum}:meta", "mine")
        with pytest.raises(NotAStore, match="prefix of its own"):
            user.store.counts()
        assert client.get("{oakum}:meta") == b"mine"


def test_all_keys_lie_in_one_slot(server, user):
    user.insert(100)
    with server.client as client:
        assert {key.partition(b"}")[0] for key in client.scan_iter()} == {b"{oakum"}


def test_stores_with_two_prefixes_do_not_meet(server, use):
    mine, other = use(f"{server.url}?prefix=mine"), use(f"{server.url}?prefix=other")
    mine.insert()
    assert other.store.counts() == []


def test_who_only_looks_makes_no_store(server):
    with pytest.raises(UsageError, match="a first job makes it"):
        open_store(server.url, must_exist=True)
    with server.client as client:
        assert client.dbsize() == 0


def test_a_store_that_is_there_is_opened(server, user):
    user.insert()
    assert open_store(server.url, must_exist=True).counts()


@pytest.mark.parametrize(
    "query", ["prefix=", "prefix={x}", "allow_lossy=perhaps", "durability=high", "socket_timeout=soon"]
)
def test_a_url_that_means_nothing_is_refused(query):
    with pytest.raises(UsageError, match=query.partition("=")[0]):
        open_store(f"redis://localhost/0?{query}")


def test_a_password_is_not_told(use):
    with pytest.raises(StoreError) as told:
        use("redis://user:secret@127.0.0.1:1/0").store.counts()
    assert "secret" not in str(told.value)


def test_scripts_that_the_server_forgot_are_sent_again(server, user):
    user.insert()
    with server.client as client:
        client.script_flush()
    user.insert()
    assert [count.jobs for count in user.store.counts()] == [2]


def test_a_store_that_was_emptied_begins_anew(server, user):
    user.insert()
    with server.client as client:
        client.flushall()
    user.insert()
    assert [count.jobs for count in user.store.counts()] == [1]


@pytest.mark.parametrize("missing", ["redis", "hiredis"])
def test_without_its_driver_one_is_told_what_to_install(missing):
    command = [sys.executable, "-c", WITHOUT.format(missing=missing)]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    assert "UsageError: store: redis:// needs redis-py; install it with: pip install 'oakum[redis]'" in ended.stderr
