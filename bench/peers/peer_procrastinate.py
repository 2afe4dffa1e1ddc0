"""Procrastinate on PostgreSQL."""

from __future__ import annotations

from peer import POSTGRES, Peer, obey, program
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from rig import hits

AT_ONCE = 1000
app = App(connector=PsycopgConnector(conninfo=POSTGRES))


@app.task(name="noop")
async def noop():
    hits.hit()


@app.task(name="late")
async def late(sent_ns):
    hits.late(sent_ns)


NAMES = {"noop": (), "late": ("sent_ns",)}


class Procrastinate(Peer):
    packages = ("procrastinate", "psycopg")
    store = "postgres"
    gives_up = "no results: a job that has succeeded is deleted"
    jobs, singles = 2_000, 1_000

    def __init__(self):
        super().__init__({})
        self._app = App(connector=SyncPsycopgConnector(conninfo=POSTGRES))

    def prepare(self):
        with self._app.open():
            self._app.schema_manager.apply_schema()

    def open(self):
        self._app.open()

    def send(self, task, *args):
        self._task(task).defer(**dict(zip(NAMES[task], args, strict=True)))

    def send_many(self, task, count):
        for first in range(0, count, AT_ONCE):
            self._task(task).batch_defer(*({} for _ in range(min(AT_ONCE, count - first))))

    def close(self):
        self._app.close()

    def workers(self, count):
        options = ["--concurrency", "50", "--delete-jobs", "successful"]
        return [[program("procrastinate"), "--app", "peer_procrastinate.app", "worker", *options]] * count

    def _task(self, name):
        return self._app.configure_task(name, allow_unknown=True)


if __name__ == "__main__":
    obey(Procrastinate())
