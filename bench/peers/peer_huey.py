"""Huey, on Redis or on SQLite."""

from __future__ import annotations

from huey import RedisHuey, SqliteHuey
from peer import REDIS, SQLITE, VARIANT, Peer, obey, program
from rig import hits

ON_SQLITE = VARIANT == "sqlite"
huey = SqliteHuey(filename=SQLITE) if ON_SQLITE else RedisHuey(url=REDIS)  # its defaults: WAL, synchronous=FULL


@huey.task()
def noop():
    hits.hit()


@huey.task()
def late(sent_ns):
    hits.late(sent_ns)


class Huey(Peer):
    packages = ("huey",)
    store = "sqlite" if ON_SQLITE else "redis"
    gives_up = "a job is gone once it is taken: a kill loses it; no result of None is kept"

    def send(self, task, *args):
        self.tasks[task](*args)

    def workers(self, count):
        poll = ["-d", "0.01", "-m", "0.05"] if ON_SQLITE else []
        return [[program("huey_consumer"), "peer_huey.huey", "-k", "process", "-w", str(count), "-q", "-n", *poll]]


if __name__ == "__main__":
    import peer_huey  # not __main__: its tasks are named by their module

    obey(Huey({"noop": peer_huey.noop, "late": peer_huey.late}))
