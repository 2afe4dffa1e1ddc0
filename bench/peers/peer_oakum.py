"""Oakum, on SQLite, PostgreSQL or Redis."""

from __future__ import annotations

from peer import POSTGRES, REDIS, SQLITE, VARIANT, Peer, obey, program
from rig import hits

from oakum import Oakum

GIVES_UP = {
    "sqlite": "more than one host",
    "postgres": "nothing",
    "redis": "the last 2 s when the server's host dies",
}
app = Oakum({"sqlite": f"sqlite:///{SQLITE}", "postgres": POSTGRES, "redis": REDIS}[VARIANT])


@app.task
def noop():
    hits.hit()


@app.task
def late(sent_ns):
    hits.late(sent_ns)


class OakumPeer(Peer):
    packages = ("oakum",)
    store = VARIANT
    gives_up = f"{GIVES_UP[VARIANT]}; results and memory peaks are kept, a killed child's jobs run again"
    jobs = 100_000

    def send(self, task, *args):
        self.tasks[task].enqueue(*args)

    def send_many(self, task, count):
        app.enqueue_many(self.tasks[task].job() for _ in range(count))

    def workers(self, count):
        return [[program("oakum"), "worker", "peer_oakum:app", "--slots", str(count), "--memory", "1GiB"]]


if __name__ == "__main__":
    obey(OakumPeer({"noop": noop, "late": late}))
