"""arq on Redis."""

from __future__ import annotations

from arq import create_pool
from arq.connections import RedisSettings
from peer import REDIS, AsyncPeer, obey, program
from rig import hits


async def noop(_):
    hits.hit()


async def late(_, sent_ns):
    hits.late(sent_ns)


class WorkerSettings:
    functions = (noop, late)
    redis_settings = RedisSettings.from_dsn(REDIS)
    max_jobs = 100
    poll_delay = 0.02  # half a second as it comes
    keep_result = 0
    log_results = False


class Arq(AsyncPeer):
    packages = ("arq", "redis")
    gives_up = "no results; it polls, here every 20 ms"
    jobs, singles = 3_000, 2_000

    async def aopen(self):
        self._pool = await create_pool(WorkerSettings.redis_settings)

    async def asend(self, task, *args):
        await self._pool.enqueue_job(task, *args)

    async def aclose(self):
        await self._pool.aclose()

    def workers(self, count):
        return [[program("arq"), "peer_arq.WorkerSettings"]] * count


if __name__ == "__main__":
    obey(Arq({}))
