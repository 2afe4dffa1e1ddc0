"""A Redis server of the benchmark's own."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.rig.scene import Scene
from bench.rig.servers import install
from msgspec.structs import replace
from redis import Redis
from tests.support.redis import RedisServer

from oakum.model.ids import id_wall_ms
from oakum.store.ids import IdSource
from oakum.store.moving import AT_ONCE, Kept, Notice

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
        """Waiting jobs are enqueued. Ended ones are copies of one that was run, put into an empty store as a move does that."""
        if not ended:
            one.fill(rows)
            return
        one.fill(1)
        with one.worker() as worker:
            worker.finish()
        moving = one.app.desk.store.moving
        ((ran,),) = moving.dump(ended=True)
        self._client.flushall()
        moving.shut(Notice("arriving", "a benchmark"))
        for batch in copies(ran, rows):
            moving.restore(batch)
        moving.shut(None)

    def settle(self) -> None:
        """Its file is written anew, as it is once it has doubled; until the next time that is out of the way."""
        self._until_written()
        self._client.bgrewriteaof()
        self._until_written()

    def _until_written(self) -> None:
        while (told := self._client.info("persistence"))["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]:
            time.sleep(0.1)

    def used(self) -> int:
        return int(self._client.info("memory")["used_memory"])


def copies(ran: Kept, rows: int) -> Iterator[list[Kept]]:
    """So many jobs like one that has ended, a batch for each millisecond before it: what is enqueued later comes behind them."""
    ids = IdSource()
    assert ran.ended_ms is not None and ran.keep_until_ms is not None
    for first in range(0, rows, AT_ONCE):
        back_ms = (rows - first) // AT_ONCE + 1
        made_ms = id_wall_ms(ran.new.id) - back_ms
        like = replace(ran, ended_ms=ran.ended_ms - back_ms, keep_until_ms=ran.keep_until_ms - back_ms)
        yield [
            replace(like, ref=ref + 1, new=replace(ran.new, id=ids.new(made_ms)))
            for ref in range(first, min(first + AT_ONCE, rows))
        ]


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
