"""Taskiq on Redis."""

from __future__ import annotations

from peer import REDIS, AsyncPeer, obey, program
from rig import hits
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(REDIS)


@broker.task("noop")
async def noop():
    hits.hit()


@broker.task("late")
async def late(sent_ns):
    hits.late(sent_ns)


class Taskiq(AsyncPeer):
    packages = ("taskiq", "taskiq-redis")
    gives_up = "acknowledged when taken: a kill loses the job; no results"
    jobs, singles = 5_000, 2_000

    async def asend(self, task, *args):
        await self.tasks[task].kiq(*args)

    async def aclose(self):
        await broker.shutdown()

    def workers(self, count):
        room = ["--max-async-tasks", "100", "--max-prefetch", "100"]
        quiet = ["--no-parse", "--log-level", "ERROR"]
        return [[program("taskiq"), "worker", "peer_taskiq:broker", "-w", str(count), *room, *quiet]]


if __name__ == "__main__":
    import peer_taskiq  # not __main__: its tasks are named by their module

    obey(Taskiq({"noop": peer_taskiq.noop, "late": peer_taskiq.late}))
