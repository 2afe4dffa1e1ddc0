"""A Redis server of the benchmark's own."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.rig.scene import Scene
from bench.rig.servers import install
from redis import Redis
from tests.support.redis import RedisServer

SYNCS = ("always", "everysec", "no")


class OwnRedis:
    """See `bench.rig.servers.Server`. It keeps an append-only file, synced as `appendfsync` says."""

    def __init__(self, url: str, appendfsync: str, client: Redis) -> None:
        self.url, self._client = url, client
        told = client.info("server")
        self.pid = int(told["process_id"])
        self.about = f"Redis {told['redis_version']}, appendfsync={appendfsync}"

    def fresh(self) -> str:
        self._client.flushall()
        return self.url

    def stock(self, one: Scene, rows: int, *, ended: bool) -> None:
        one.fill(rows)
        if ended:
            with one.worker() as worker:
                worker.finish()

    def settle(self) -> None:
        while self._client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.1)

    def used(self) -> int:
        return int(self._client.info("memory")["used_memory"])


@contextlib.contextmanager
def own_redis(appendfsync: str) -> Iterator[OwnRedis]:
    """Started anew on a free port, ended afterwards."""
    install("redis-server", "redis-server")
    with (
        tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory,
        RedisServer(Path(directory), "--appendfsync", appendfsync) as server,
        server.client as client,
    ):
        yield OwnRedis(server.url, appendfsync, client)
