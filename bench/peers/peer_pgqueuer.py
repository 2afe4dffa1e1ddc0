"""PgQueuer on PostgreSQL."""

from __future__ import annotations

import json
import sys

import asyncpg
from peer import POSTGRES, AsyncPeer, obey, run
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from rig import hits

AT_ONCE = 1000
BATCH = 500  # 10 as it comes


async def work():
    """Not by its command, which in 1.6.0 fails with the newest typer."""
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(POSTGRES)))

    @queuer.entrypoint("noop")
    async def noop(_):
        hits.hit()

    @queuer.entrypoint("late")
    async def late(job):
        hits.late(*json.loads(job.payload))

    await queuer.run(batch_size=BATCH)


class PgQueuerPeer(AsyncPeer):
    packages = ("pgqueuer", "asyncpg")
    store = "postgres"
    gives_up = "no results: of an ended job, its row in a log is kept"
    jobs, singles = 20_000, 1_000

    def prepare(self):
        run("pgq", "--pg-dsn", POSTGRES, "install")

    async def aopen(self):
        self._connection = await asyncpg.connect(POSTGRES)
        self._queries = Queries(AsyncpgDriver(self._connection))

    async def asend(self, task, *args):
        await self._queries.enqueue(task, json.dumps(args).encode())

    async def asend_many(self, task, count):
        for first in range(0, count, AT_ONCE):
            some = min(AT_ONCE, count - first)
            await self._queries.enqueue([task] * some, [b"[]"] * some, [0] * some)

    async def aclose(self):
        await self._connection.close()

    def workers(self, count):
        return [[sys.executable, "-c", "import uvloop, peer_pgqueuer; uvloop.run(peer_pgqueuer.work())"]] * count


if __name__ == "__main__":
    obey(PgQueuerPeer({}))
