"""How many jobs there are by queue, task and state: kept beside them in the same transactions, so that counting is free."""

from __future__ import annotations

from oakum.model.intake import Load
from oakum.model.job import State
from oakum.store.sqlite.connection import fetch_all
from oakum.store.sqlite.database import Database


class Tally:
    """The changes of one transaction, jobs and bytes of payload, added up before they are written."""

    __slots__ = ("_bytes", "_jobs")

    def __init__(self) -> None:
        self._jobs: dict[tuple[int, int, int], int] = {}
        self._bytes: dict[tuple[int, int, int], int] = {}

    def add(self, queue: int, task: int, state: int, jobs: int, size: int) -> None:
        """`jobs` more (or fewer) of `size` bytes in all are in a state."""
        key = (queue, task, state)
        self._jobs[key] = self._jobs.get(key, 0) + jobs
        self._bytes[key] = self._bytes.get(key, 0) + size

    def move(self, queue: int, task: int, before: int, after: int, jobs: int, size: int) -> None:
        """`jobs` go from one state to another."""
        self.add(queue, task, before, -jobs, -size)
        self.add(queue, task, after, jobs, size)

    def load(self, db: Database, queue: int) -> Load:
        """What a queue holds, with what this transaction has changed."""
        jobs, sizes, running, running_size = 0, 0, 0, 0
        rows = fetch_all(db, "SELECT state, jobs, bytes FROM tally WHERE queue = ? AND state < 4", (queue,))
        mine = [
            (key[2], count, self._bytes[key]) for key, count in self._jobs.items() if key[0] == queue and key[2] < 4
        ]
        for state, count, size in (*rows, *mine):
            jobs, sizes = jobs + count, sizes + size
            if state == State.RUNNING:
                running, running_size = running + count, running_size + size
        return Load(jobs, sizes, running, running_size)

    def save(self, db: Database) -> None:
        """Writes the changes; the caller is in the transaction that made them."""
        rows = [(*key, jobs, self._bytes[key]) for key, jobs in self._jobs.items() if jobs or self._bytes[key]]
        if rows:
            db.executemany(
                "INSERT INTO tally(queue, task, state, jobs, bytes) VALUES(?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, bytes = bytes + excluded.bytes",
                rows,
            )
        self._jobs.clear()
        self._bytes.clear()
