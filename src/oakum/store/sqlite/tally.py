"""How many jobs there are by queue, task and state: kept beside them in the same transactions, so that counting is free."""

from __future__ import annotations

import apsw


class Tally:
    """The changes of one transaction, added up before they are written."""

    __slots__ = ("_delta",)

    def __init__(self) -> None:
        self._delta: dict[tuple[int, int, int], int] = {}

    def add(self, queue: int, task: int, state: int, jobs: int) -> None:
        """`jobs` more (or fewer) are in a state."""
        key = (queue, task, state)
        self._delta[key] = self._delta.get(key, 0) + jobs

    def move(self, queue: int, task: int, before: int, after: int, jobs: int = 1) -> None:
        """`jobs` go from one state to another."""
        self.add(queue, task, before, -jobs)
        self.add(queue, task, after, jobs)

    def save(self, db: apsw.Connection) -> None:
        """Writes the changes; the caller is in the transaction that made them."""
        rows = [(*key, jobs) for key, jobs in self._delta.items() if jobs]
        if rows:
            db.executemany(
                "INSERT INTO tally(queue, task, state, jobs) VALUES(?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
                rows,
            )
