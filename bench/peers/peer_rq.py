"""RQ on Redis: a process forked for each job, or with `simple` none."""

from __future__ import annotations

import redis
from peer import REDIS, VARIANT, Peer, obey, program
from rig import hits
from rq import Queue

SIMPLE = VARIANT == "simple"
AT_ONCE = 1000
queue = Queue(connection=redis.Redis.from_url(REDIS))


def noop():
    hits.hit()


def late(sent_ns):
    hits.late(sent_ns)


class Rq(Peer):
    packages = ("rq",)
    gives_up = "one job at a time in a process; results for 500 s" + (
        "; a job's crash is its worker's" if SIMPLE else ""
    )
    jobs, singles = (2_000 if SIMPLE else 200), 2_000

    def send(self, task, *args):
        queue.enqueue(f"peer_rq.{task}", *args)

    def send_many(self, task, count):
        for first in range(0, count, AT_ONCE):
            some = range(min(AT_ONCE, count - first))
            queue.enqueue_many([Queue.prepare_data(f"peer_rq.{task}") for _ in some])

    def workers(self, count):
        kind = ["-w", "rq.SimpleWorker"] if SIMPLE else []
        return [[program("rq"), "worker", "-q", "-u", REDIS, "--disable-job-desc-logging", *kind]] * count


if __name__ == "__main__":
    obey(Rq({}))
