"""Dramatiq on Redis."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from peer import REDIS, Peer, obey, program
from rig import hits

broker = RedisBroker(url=REDIS)
dramatiq.set_broker(broker)


@dramatiq.actor
def noop():
    hits.hit()


@dramatiq.actor
def late(sent_ns):
    hits.late(sent_ns)


class Dramatiq(Peer):
    packages = ("dramatiq",)
    gives_up = "no results; eight threads a process share its memory"

    def send(self, task, *args):
        self.tasks[task].send(*args)

    def workers(self, count):
        return [[program("dramatiq"), "peer_dramatiq:broker", "-p", str(count), "-t", "8"]]


if __name__ == "__main__":
    import peer_dramatiq  # not __main__: its tasks are named by their module

    obey(Dramatiq({"noop": peer_dramatiq.noop, "late": peer_dramatiq.late}))
