"""Oakum on SQLite."""

from __future__ import annotations

from peer import SQLITE, Peer, obey, program, remove
from rig import hits

from oakum import Oakum

app = Oakum(f"sqlite:///{SQLITE}")


@app.task
def noop():
    hits.hit()


@app.task
def late(sent_ns):
    hits.late(sent_ns)


class OakumPeer(Peer):
    packages = ("oakum",)
    store = "sqlite"
    gives_up = "more than one host; results and memory peaks are kept, a killed child's jobs run again"
    jobs = 100_000

    def reset(self):
        remove(SQLITE, f"{SQLITE}-wal", f"{SQLITE}-shm")

    def send(self, task, *args):
        self.tasks[task].enqueue(*args)

    def send_many(self, task, count):
        app.enqueue_many(self.tasks[task].job() for _ in range(count))

    def workers(self, count):
        return [program("oakum"), "worker", "peer_oakum:app", "--slots", str(count), "--memory", "1GiB"]


if __name__ == "__main__":
    obey(OakumPeer({"noop": noop, "late": late}))
