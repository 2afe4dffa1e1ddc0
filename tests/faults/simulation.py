"""The engine's life in one thread: workers, producers, crashes, stalls and clocks drawn from one seed, on one store.

What decides is the engine's own: `lifecycle.settle`, `Recovery`, the store. What is simulated is what goes wrong around
it: a worker dies with jobs in hand, stalls past its lease and comes back with late results, an answer to a producer is
lost and asked for again, the wall clock is set, jobs are cancelled, retried and forgotten. The same seed is the same life.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.witness import ClockSet, Witness, faults

from oakum.clock import FakeClock
from oakum.model.job import Claimed, JobQuery, JobView, NewJob, State
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed, Failed, Lost, Outcome, OverBudget, Released, Snoozed, TimedOut, Usage
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.run.worker.recovery import Recovery
from oakum.store.base import Identity, Instant, Store, Want
from oakum.store.ids import IdSource

STEPS = 250
LEASE_MS = 15_000
RETENTION_S = 10 * 86400.0
TASKS = ("plain", "keyed", "flaky")
SPECS = {name: TaskSpec(name, retry=(RetryRule(2, 5.0),), result_ttl_s=RETENTION_S) for name in TASKS}


@dataclass(eq=False)
class Worker:
    """One simulated process. `stalled_until`: it does nothing before that boot time, and does not know that it stood still."""

    number: int
    recovery: Recovery
    hand: dict[int, Claimed] = field(default_factory=dict)
    stalled_until: float = 0.0
    renewed: float = 0.0


class Simulation:
    """One life, and its history. `hits` counts what went wrong in it, so that a test knows it was tried; `trouble` is
    called now and then, and may break the line to the store.
    """

    def __init__(self, seed: int, store: Store, trouble: Callable[[], None] | None = None) -> None:
        self.random, self.clock = random.Random(seed), FakeClock()  # replayed by its seed
        self.store = Witness(store)
        self._trouble = trouble
        self.hits: Counter[str] = Counter()
        self._ids = IdSource()
        self._workers: list[Worker] = []

    @property
    def now(self) -> Instant:
        return Instant.read(self.clock)

    def live(self, steps: int) -> None:
        """So many random steps."""
        acts: list[tuple[Callable[[], None], int]] = [
            (self._enqueue, 10), (self._hire, 3), (self._claim, 14), (self._end_some, 14), (self._renew_all, 10),
            (self._sweep, 10), (self._pass_time, 20), (self._crash, 2), (self._stall, 2), (self._step_wall, 1),
            (self._suspend, 1), (self._cancel, 2), (self._retry, 1), (self._pause, 1),
        ]  # fmt: skip
        if self._trouble is not None:
            acts.append((self._trouble, 8))
        verbs, weights = zip(*acts, strict=True)
        for act in self.random.choices(verbs, weights, k=steps):
            act()

    def finish(self) -> list[str]:
        """Lets one good worker bring everything to its end; what was wrong."""
        for queue in self.store.paused():
            self.store.pause(queue, False)
        for worker in self._workers:
            worker.stalled_until = float("inf")
        self._workers = []
        self._hire()
        last = self._workers[-1]
        for _ in range(400):
            self.clock.advance(3.0)
            self._renew(last)
            last.recovery.sweep(last.number, self.now)
            self._take(last, 100)
            self._settle(last, list(last.hand.values()), lambda _: Completed())
            if not self._unfinished():
                break
            due = self.store.next_due(self.now)
            if due is not None and due > self.now.wall_ms:  # a clock set back has put it far away
                self.clock.advance((due - self.now.wall_ms) / 1000)
        return faults(self.store.history, self._rows()) + self._miscounted()

    # -- producers -----------------------------------------------------------------------------------------------------

    def _enqueue(self) -> None:
        draw = self.random
        task = draw.choice(TASKS)
        jobs = [
            NewJob(
                id=self._ids.new(self.now.wall_ms),
                task=task,
                payload=b"p",
                queue=draw.choice(("default", "mail")),
                priority=draw.choice((0, 0, 5)),
                run_at_ms=self.now.wall_ms + draw.randrange(20_000) if draw.random() < 0.2 else 0,
                expires_ms=self.now.wall_ms + draw.randrange(1, 40_000) if draw.random() < 0.1 else None,
                key=draw.choice("abc") if task == "keyed" else None,
            )
            for _ in range(draw.randint(1, 4))
        ]
        self.store.insert(jobs, self.now)
        if draw.random() < 0.2:  # the answer was lost on the way: asked again with the same ids
            self.hits["asked again"] += 1
            assert self.store.insert(jobs, self.now) == []

    def _cancel(self) -> None:
        self._some("cancelled", lambda ids: self.store.cancel(ids, self.now))

    def _retry(self) -> None:
        def again(ids: list[bytes]) -> None:
            self.store.retry({old: self._ids.new(self.now.wall_ms) for old in ids}, self.now)

        self._some("retried", again)

    def _some(self, what: str, act: Callable[[list[bytes]], object]) -> None:
        known = sorted(self.store.acknowledged)
        if known:
            act(self.random.sample(known, min(3, len(known))))
            self.hits[what] += 1

    def _pause(self) -> None:
        self.store.pause("mail", self.random.random() < 0.5)

    # -- workers -------------------------------------------------------------------------------------------------------

    def _hire(self) -> None:
        if len(self._workers) < 4:
            identity = Identity(f"simulated-{self.random.random()}", "boot", 1, 2, 3)
            number = self.store.enrol(identity, LEASE_MS, self.now)
            recovery = Recovery(self.store, lambda task: SPECS[task], LEASE_MS)
            self._workers.append(Worker(number, recovery, renewed=self.clock.boot()))

    def _awake(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.stalled_until <= self.clock.boot()]

    def _claim(self) -> None:
        for worker in self._awake():
            self._take(worker, self.random.randint(1, 6))

    def _take(self, worker: Worker, limit: int) -> None:
        want = Want(worker.number, ("default", "mail"), dict.fromkeys(TASKS, 1), limit, limit)
        worker.hand |= {job.ref: job for job in self.store.claim(want, self.now)}

    def _end_some(self) -> None:
        for worker in self._awake():
            jobs = [job for job in worker.hand.values() if self.random.random() < 0.7]
            self._settle(worker, jobs, self._outcome)

    def _outcome(self, job: Claimed) -> Outcome:
        if job.task != "flaky":
            return self.random.choice((Completed(), Completed(), Completed(), Released("given back")))
        return self.random.choice(
            (Completed(), Failed("E", "boom"), Lost("killed"), TimedOut(1.0), Snoozed(3.0), OverBudget(2, 1))
        )

    def _settle(self, worker: Worker, jobs: list[Claimed], outcome: Callable[[Claimed], Outcome]) -> None:
        if not jobs:
            return
        now, usage = self.now, Usage(1, 2, 3)
        settlements = [settle(job, outcome(job), usage, SPECS[job.task], now.wall_ms, 0.5) for job in jobs]
        self.hits["late"] += len(self.store.settle(settlements, worker.number, now))
        for job in jobs:
            del worker.hand[job.ref]

    def _renew_all(self) -> None:
        for worker in self._awake():
            self._renew(worker)

    def _renew(self, worker: Worker) -> None:
        if not self.store.renew(worker.number, LEASE_MS, b"", self.now):
            self.hits["lease lost"] += 1
            worker.hand.clear()
            identity = Identity("again", "boot", 1, 2, 3)
            worker.number = self.store.enrol(identity, LEASE_MS, self.now)

    def _sweep(self) -> None:
        for worker in self._awake():
            self.hits["recovered"] += worker.recovery.sweep(worker.number, self.now)

    def _crash(self) -> None:
        if len(self._workers) > 1:
            gone = self._workers.pop(self.random.randrange(len(self._workers)))
            self.hits["crashed with jobs in hand"] += bool(gone.hand)

    def _stall(self) -> None:
        for worker in self.random.sample(self._workers, min(1, len(self._workers))):
            worker.stalled_until = self.clock.boot() + self.random.uniform(1, 60)
            self.hits["stalled with jobs in hand"] += bool(worker.hand)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _pass_time(self) -> None:
        self.clock.advance(self.random.choice((0.01, 0.5, 2.0, 2.0, 7.0)))
        self.store.promote(self.now)

    def _step_wall(self) -> None:
        self.clock.step_wall(self.random.choice((-7200, 7200, 86400)))
        self.store.history.append(ClockSet())
        self.hits["clock set"] += 1

    def _suspend(self) -> None:
        """The host sleeps with all its processes, for longer than a lease as a rule; nobody notices it by CLOCK_MONOTONIC."""
        self.clock.suspend(self.random.choice((5.0, 60.0, 3600.0)))
        self.hits["host slept with jobs in hand"] += any(worker.hand for worker in self._awake())

    # -- the end -------------------------------------------------------------------------------------------------------

    def _rows(self) -> list[JobView]:
        rows: list[JobView] = []
        query = JobQuery(limit=1000)
        while True:
            page = self.store.jobs(query)
            rows += page.jobs
            if page.before is None:
                return rows
            query = JobQuery(limit=1000, before=page.before)

    def _unfinished(self) -> bool:
        return any(count.jobs and not count.state.terminal for count in self.store.counts())

    def _miscounted(self) -> list[str]:
        rows, counted = Counter(row.state for row in self._rows()), Counter[State]()
        for count in self.store.counts():
            counted[count.state] += count.jobs
        return [] if +counted == rows else [f"counted {dict(+counted)}, there are {dict(rows)}"]
