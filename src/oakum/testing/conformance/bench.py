"""What the checks work with: users of one store, workers of it, and a clock that they move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from oakum.clock import FakeClock
from oakum.errors import NotEnqueued
from oakum.model.job import DEFAULT_QUEUE, Claimed, JobView, NewJob, State
from oakum.model.lifecycle import Settlement, settle
from oakum.model.outcome import Outcome, Record, Usage, decode_record
from oakum.model.task import TaskSpec
from oakum.store.base import Identity, Instant, Mark, Store, Want
from oakum.store.ids import IdSource

LEASE_MS: Final = 30_000
ROOM: Final = 1_000_000
USAGE: Final = Usage(started_ms=1, duration_us=2, peak=3)
PATIENCE_S: Final = 30.0

Refusal = TypeVar("Refusal", bound=NotEnqueued)


class Bench:
    """One check's surroundings. `store` is the first user; `another` opens further ones."""

    def __init__(self, open_store: Callable[[], Store], clock: FakeClock) -> None:
        self._open, self._ids = open_store, IdSource()
        self._opened: list[Store] = []
        self.clock = clock
        self.store = self.another()

    def another(self) -> Store:
        """One more user of the same store."""
        self._opened.append(self._open())
        return self._opened[-1]

    def close(self) -> None:
        """Closes all users."""
        for store in self._opened:
            store.close()

    @property
    def now(self) -> Instant:
        """The present moment."""
        return Instant.read(self.clock)

    def later(self, seconds: float) -> int:
        """The wall time in so many seconds, in milliseconds."""
        return self.now.wall_ms + round(seconds * 1000)

    def id(self) -> bytes:
        """A new id."""
        return self._ids.new(self.now.wall_ms)

    def insert(self, *jobs: NewJob) -> Sequence[Mark]:
        """Inserts jobs now."""
        return self.store.insert(jobs, self.now)

    def jobs(self, count: int, task: str = "t", queue: str = DEFAULT_QUEUE) -> list[NewJob]:
        """So many jobs without anything special."""
        return [NewJob(self.id(), task, b"p", queue) for _ in range(count)]

    def plain(self, count: int, task: str = "t", queue: str = DEFAULT_QUEUE) -> list[NewJob]:
        """The same, inserted."""
        jobs = self.jobs(count, task, queue)
        self.insert(*jobs)
        return jobs

    def refused(self, kind: type[Refusal], *jobs: NewJob) -> Refusal:
        """What a store says that is not to take these jobs."""
        try:
            self.insert(*jobs)
        except kind as refusal:
            return refusal
        raise AssertionError(f"{len(jobs)} jobs were taken that should not have been")

    def worker(self) -> int:
        """A new holder."""
        return self.store.enrol(Identity("host", "boot", 1, 2, 3), LEASE_MS, self.now)

    def claim(
        self,
        worker: int,
        weights: Mapping[str, int] | None = None,
        queues: tuple[str, ...] = (DEFAULT_QUEUE,),
        room: int = ROOM,
        limit: int = 1000,
    ) -> list[Claimed]:
        """What a worker gets that asks now; by default for any number of jobs of task "t"."""
        return list(self.store.claim(Want(worker, queues, weights or {"t": 1}, room, limit), self.now))

    def claim_one(self, worker: int) -> Claimed:
        """The one job of task "t" that a worker gets."""
        (job,) = self.claim(worker, limit=1)
        return job

    def judge(self, job: Claimed, outcome: Outcome, spec: TaskSpec | None = None, log: bytes = b"") -> Settlement:
        """What becomes of a job by the one state machine."""
        return settle(job, outcome, USAGE, spec or TaskSpec("t"), self.now.wall_ms, 0.5, log=log or None)

    def settle(self, worker: int, *settlements: Settlement) -> Sequence[int]:
        """Settles now."""
        return self.store.settle(settlements, worker, self.now)

    def end(self, worker: int, job: Claimed, outcome: Outcome, spec: TaskSpec | None = None) -> None:
        """Settles one job in time."""
        assert self.settle(worker, self.judge(job, outcome, spec)) == []

    def view(self, id: bytes) -> JobView:
        """A job as people see it."""
        story = self.store.story(id)
        assert story is not None, "the job is not there"
        return story.job

    def state(self, id: bytes) -> State:
        """A job's state."""
        found = self.store.outcome(id)
        assert found is not None, "the job is not there"
        return found[0]

    def record(self, id: bytes) -> Record:
        """The record of a job's last ended start."""
        found = self.store.outcome(id)
        assert found is not None and found[1] is not None, "the job has no record"
        return decode_record(found[1])

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        totals: dict[State, int] = {}
        for count in self.store.counts():
            totals[count.state] = totals.get(count.state, 0) + count.jobs
        return totals
