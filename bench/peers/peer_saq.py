"""SAQ on Redis."""

from __future__ import annotations

from peer import REDIS, AsyncPeer, obey, program
from rig import hits
from saq import Queue

queue = Queue.from_url(REDIS)


async def noop(_):
    hits.hit()


async def late(_, *, sent_ns):
    hits.late(sent_ns)


settings = {"queue": queue, "functions": [noop, late], "concurrency": 100}
NAMES = {"noop": (), "late": ("sent_ns",)}


class Saq(AsyncPeer):
    packages = ("saq", "redis")
    gives_up = "no results"
    jobs, singles = 3_000, 2_000

    async def aopen(self):
        await queue.connect()

    async def asend(self, task, *args):
        await queue.enqueue(task, ttl=-1, **dict(zip(NAMES[task], args, strict=True)))

    async def aclose(self):
        await queue.disconnect()

    def workers(self, count):
        return [[program("saq"), "peer_saq.settings", "--workers", str(count), "-q"]]


if __name__ == "__main__":
    obey(Saq({}))
