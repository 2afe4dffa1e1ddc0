"""oban on PostgreSQL."""

from __future__ import annotations

from oban import Oban, job
from peer import POSTGRES, AsyncPeer, obey, program, run
from rig import hits

AT_ONCE = 1000


@job()
async def noop():
    hits.hit()


@job()
async def late(sent_ns):
    hits.late(sent_ns)


class ObanPeer(AsyncPeer):
    packages = ("oban", "psycopg")
    store = "postgres"
    gives_up = "ended jobs are kept without results"
    jobs, singles = 5_000, 1_000

    def prepare(self):
        run("oban", "install", "--dsn", POSTGRES)

    async def aopen(self):
        self._pool = await Oban.create_pool(dsn=POSTGRES)
        self._oban = Oban(pool=self._pool)

    async def asend(self, task, *args):
        await self._oban.enqueue(self.tasks[task].new(*args))

    async def asend_many(self, task, count):
        for first in range(0, count, AT_ONCE):
            some = range(min(AT_ONCE, count - first))
            await self._oban.enqueue_many([self.tasks[task].new() for _ in some])

    async def aclose(self):
        await self._pool.close()

    def workers(self, count):
        room = ["--queues", "default:100", "--cron-modules", "peer_oban", "--log-level", "ERROR"]
        return [[program("oban"), "start", "--dsn", POSTGRES, *room]] * count


if __name__ == "__main__":
    import peer_oban  # not __main__: its tasks are named by their module

    obey(ObanPeer({"noop": peer_oban.noop, "late": peer_oban.late}))
