"""Celery on Redis: as fast as it goes, or with its defaults and results."""

from __future__ import annotations

from celery import Celery
from peer import REDIS, VARIANT, Peer, obey, program
from rig import hits

FAST = VARIANT == "fast"
app = Celery("peer_celery", broker=REDIS)
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
if FAST:
    app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=128)
else:
    app.conf.update(result_backend=REDIS)


@app.task
def noop():
    hits.hit()


@app.task
def late(sent_ns):
    hits.late(sent_ns)


class CeleryPeer(Peer):
    packages = ("celery", "kombu")
    gives_up = "acknowledged when taken: a kill loses the job; " + ("no results" if FAST else "results for a day")
    jobs, singles = 2_000, 1_500

    def send(self, task, *args):
        self.tasks[task].apply_async(args)

    def send_many(self, task, count):
        with app.producer_or_acquire() as producer:
            for _ in range(count):
                self.tasks[task].apply_async((), producer=producer)

    def workers(self, count):
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
        return [[program("celery"), "-A", "peer_celery", "worker", "-P", "prefork", "-c", str(count), *quiet]]


if __name__ == "__main__":
    import peer_celery  # not __main__: its tasks are named by their module

    obey(CeleryPeer({"noop": peer_celery.noop, "late": peer_celery.late}))
