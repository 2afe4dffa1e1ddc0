"""The worker's one loop: settle what ended, claim what fits, hand out. It never imports the user's code.

All that it decides it asks of pure code (`model.lifecycle`, `model.admission`); all that it writes goes through the store.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from oakum.clock import Clock
from oakum.errors import DuplicateJob, NotEnqueued, QueueFull, StoreError, StoreMoved
from oakum.events import JobEnded, LeaseWasLost, RoomShort
from oakum.host.identity import myself
from oakum.host.tree import resident
from oakum.model.admission import AGEING_S, Plan
from oakum.model.ids import id_text
from oakum.model.job import Claimed
from oakum.model.lifecycle import Settlement, not_followed, settle
from oakum.model.outcome import Cancelled, Completed, OverBudget, Released, describe
from oakum.run.link import wire
from oakum.run.link.calls import Answer
from oakum.run.link.orders import AT_ONCE
from oakum.run.link.page import CANCEL
from oakum.run.worker.answers import answer
from oakum.run.worker.crew import BEHIND_SLOW_NS, Crew, Ended
from oakum.run.worker.kid import Kid, attempt_of
from oakum.run.worker.ledger import Ledger
from oakum.run.worker.meter import Meter
from oakum.run.worker.poller import Poller
from oakum.run.worker.recovery import identity
from oakum.store.base import Bell, Instant, Store, Want
from oakum.units import MIB

LEASE_MS: Final = 15_000
CLAIM_AT_MOST: Final = 512
SETTLE_AT_ONCE: Final = 256
SETTLE_AT_MOST: Final = 1024
SETTLE_WITHIN_S: Final = 0.003
PAYLOAD_AHEAD: Final = 8 * MIB  # of arguments that are claimed ahead: they lie in this process's memory
PACKET_BYTES: Final = 32 * 1024  # of arguments that a child is given ahead: they lie in its memory
LOOK_AHEAD: Final = 32  # jobs in the pool that may pass one that does not fit
BACKOFF_S: Final = 0.5
IDLE_S: Final = 1.0
OVERDUE_S: Final = 0.05  # what is due and can't be claimed is another's, or waits for room
MANY: Final = 16  # jobs in a claim after which the next one comes at once
AGAIN_S: Final = 0.002  # after a smaller one

Echo = Callable[[Claimed, bytes], None]


class Supervisor:
    """One worker's turn. `queues` in the order of preference; `echo` is shown what each job printed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        crew: Crew,
        poller: Poller,
        ledger: Ledger,
        queues: tuple[str, ...],
        echo: Echo | None,
    ) -> None:
        self.store, self.crew, self.ledger = store, crew, ledger
        self.fleet, self.herald = crew.fleet, crew.herald
        self.holder = 0
        self.claiming = True
        self.host_short = ""
        self.store_trouble = ""
        self.left = ""  # where the store has moved to, for good
        self.ended_jobs = 0
        self.pool: deque[Claimed] = deque()
        self._clock, self._poller, self.queues, self._echo = clock, poller, queues, echo
        self._pool_since = 0.0
        self._bell: Bell | None = None
        self._rung = True
        self._limited = False  # whether the last claim left jobs where they are because they do not fit now
        self._room = 0
        self._payload = 0
        self._next_claim = 0.0
        self._not_before = 0.0  # after trouble with the store
        self._last_settled = time.monotonic()
        self._settle_most = SETTLE_AT_MOST
        self._ended_since = 0.0
        self._meter = Meter(lambda: self.fleet.kids)

    def open(self) -> None:
        """Enrols with the store and begins to listen and to measure."""
        self.holder = self.store.enrol(identity(myself()), LEASE_MS, self.now())
        self._bell = self.store.listen("work")
        if self._bell.fileno() >= 0:
            self._poller.watch(self._bell.fileno(), self._ring)
        self._meter.start()

    def close(self) -> None:
        """Ends the meter, leaves the store."""
        self._meter.close()
        if self._bell is not None:
            self._bell.close()
        with contextlib.suppress(StoreError):  # it may be out of reach: then the lease runs out
            self.ledger.save(self.store)
            self.store.discharge(self.holder)
        self.store.close()

    def now(self) -> Instant:
        """The present moment."""
        return Instant.read(self._clock)

    def turn(self, longest: float) -> None:
        """Once around: waits for news, at most `longest` seconds, and does what follows from it."""
        self._poller.poll(self._patience(longest))
        self._answer_calls()
        self._hand_out()  # first, so that the children work while the disk does
        if self._worth_settling():
            self._settle()
        self._claim()
        self._hand_out()
        self.crew.take_back_from_slow()
        if self.fleet.stuck and self.crew.returned:
            self.release("the jobs before it take long")  # perhaps another worker has a child that is free

    def _patience(self, longest: float) -> float:
        """How long this turn may wait for news."""
        crew, trouble = self.crew, max(0.0, self._not_before - time.monotonic())
        if crew.calls or crew.returned:
            return 0.0
        if crew.ended:
            return min(longest, max(trouble, SETTLE_WITHIN_S))
        if any(len(kid.in_hand) > 1 for kid in self.fleet.kids):
            longest = min(longest, BEHIND_SLOW_NS / 1e9)
        if self._may_claim():
            longest = min(longest, trouble if self._rung else max(0.0, self._next_claim - time.monotonic()))
        return longest

    def _ring(self) -> None:
        assert self._bell is not None
        self._bell.drain()
        self._rung = True
        if not self.fleet.idle:
            try:
                self.stop_cancelled()
            except StoreError as error:
                self._trouble(error)

    def look_again(self) -> None:
        """There may be jobs to claim."""
        self._rung = True

    # -- jobs that running jobs enqueue ------------------------------------------------------------------------------

    def _answer_calls(self) -> None:
        """Stores what all children want stored, in one commit where it can be, and tells each."""
        calls, self.crew.calls = self.crew.calls, []
        if not calls:
            return
        for (kid, _), said in zip(calls, answer(self.store, [call for _, call in calls], self.now()), strict=True):
            _reply(kid, said)
        self._rung = True

    # -- settling ----------------------------------------------------------------------------------------------------

    def _worth_settling(self) -> bool:
        """Whether to pay for a commit now: when there is much to write, when it has waited, or when a child has nothing to do."""
        ended = self.crew.ended
        if not ended:
            self._ended_since = 0.0
            return False
        now = time.monotonic()
        self._ended_since = self._ended_since or now
        return len(ended) >= SETTLE_AT_ONCE or now - self._ended_since >= SETTLE_WITHIN_S or self.fleet.anyone_idle

    def _settle(self) -> None:
        """Writes what has ended, all of it in one commit; on trouble keeps it and tries again soon."""
        monotonic = time.monotonic()
        ended = self.crew.ended
        if monotonic < self._not_before:
            return
        self._ended_since = 0.0
        batch = ended[: self._settle_most]
        now = self.now()
        settlements = [self._judge(each, now.wall_ms) for each in batch]
        try:
            late = self.store.settle(settlements, self.holder, now)
        except (QueueFull, DuplicateJob) as error:
            self._refused(batch, error)
            return
        except StoreError as error:
            self._trouble(error)
            return
        self.store_trouble, self._settle_most = "", SETTLE_AT_MOST
        self._last_settled = monotonic
        del ended[: len(batch)]
        self.ended_jobs += len(batch) - len(late)
        for each in batch:
            if not isinstance(each.outcome, Released):
                self.ledger.note(each.job.task, each.outcome, each.usage)
        if self._limited or not self.pool or any(each.follow or each.ended_ms is None for each in settlements):
            self._rung = True  # there is room again, something new, or what a limit or a key has held back
        self._tell(batch, settlements, set(late))

    def _refused(self, batch: list[Ended], error: NotEnqueued) -> None:
        """Nothing was written, since a job that was to follow one of these was refused: that one fails instead.

        Which one it is, ever smaller batches tell.
        """
        if len(batch) > 1:
            self._settle_most = len(batch) // 2
            return
        (each,) = batch
        self.crew.ended[0] = replace(each, outcome=not_followed(error, self.ledger.spec(each.job.task)), follow=())

    def _judge(self, each: Ended, now_ms: int) -> Settlement:
        job, outcome = each.job, each.outcome
        return settle(
            job,
            outcome,
            each.usage,
            self.ledger.spec(job.task),
            now_ms,
            random.random(),
            may_grow=isinstance(outcome, OverBudget) and self.ledger.may_grow(job),
            log=each.log,
            follow=each.follow,
        )

    def _tell(self, batch: list[Ended], settlements: list[Settlement], late: set[int]) -> None:
        """Echo and events, after the fact is in the store."""
        if self._echo is not None:
            for each in batch:
                if each.log:
                    self._echo(each.job, each.log)
        if not self.herald.listens:
            return
        for place, (each, settlement) in enumerate(zip(batch, settlements, strict=True)):
            if place in late:
                self.herald.emit(LeaseWasLost(id_text(each.job.id), each.job.task))
            else:
                self.herald.emit(_event(each, settlement))

    def _trouble(self, error: StoreError) -> None:
        self.store_trouble, self._not_before = str(error), time.monotonic() + BACKOFF_S

    # -- claiming and handing out ------------------------------------------------------------------------------------

    def _may_claim(self) -> bool:
        if self.fleet.stuck:
            return False
        return self.claiming and not self.host_short and len(self.pool) < CLAIM_AT_MOST // 2 and bool(self.fleet.kids)

    def _claim(self) -> None:
        """Takes jobs out of the store: as many as the children can be expected to begin soon, in bytes and in number."""
        monotonic = time.monotonic()
        if not self._may_claim() or (not self._rung and monotonic < self._next_claim) or monotonic < self._not_before:
            return
        now = self.now()
        try:
            claimed = self.store.claim(self._want(), now) if self._has_room() else []
            due = None if claimed else self.store.next_due(now)
        except StoreError as error:
            self.left = str(error) if isinstance(error, StoreMoved) and error.for_good else ""
            self._trouble(error)
            return
        if claimed:
            if not self.pool:
                self._pool_since = monotonic
            self.pool.extend(claimed)
            self._next_claim = monotonic + AGAIN_S
        else:
            wait_s = IDLE_S if due is None else (due - now.wall_ms) / 1000
            self._next_claim = monotonic + min(IDLE_S, wait_s if wait_s > 0 else OVERDUE_S)
        self._rung = len(claimed) >= MANY  # there will be more; of a few the children are to begin first

    def _has_room(self) -> bool:
        """Whether a claim is worth it: a large one a little later costs half of what two small ones do."""
        self._room = self.ledger.budget - self._outstanding()
        self._payload = PAYLOAD_AHEAD - sum(len(job.payload) for job in self.pool)
        enough = self.fleet.anyone_idle or self._room >= self.ledger.budget // 2
        self._limited = not (self._room > 0 and self._payload >= PAYLOAD_AHEAD // 2 and enough)
        return not self._limited

    def _want(self) -> Want:
        weights = self.ledger.weights()
        fitting = {task: weight for task, weight in weights.items() if weight <= self._room}
        self._limited = len(fitting) < len(weights)
        return Want(self.holder, self.queues, fitting, self._room, CLAIM_AT_MOST, self._payload)

    def _outstanding(self) -> int:
        """What the jobs that are claimed and not ended count for."""
        ledger = self.ledger
        total = sum(ledger.weigh(ledger.plan(job)) for job in self.pool)
        return total + sum(
            ledger.weigh(kid.plan) * len(kid.in_hand) for kid in self.fleet.kids if kid.in_hand and kid.plan is not None
        )

    def _hand_out(self) -> None:
        """Gives the pool's jobs to children, in order; a few may pass one that does not fit, until it has waited too long."""
        self._take_returned()
        if not self.pool:
            return
        monotonic = time.monotonic()
        passed: list[Claimed] = []
        drain = monotonic - self._pool_since > AGEING_S
        while self.pool and len(passed) < LOOK_AHEAD:
            plan = self.ledger.plan(self.pool[0])
            kid = self.fleet.place(plan)
            if kid is None:
                passed.append(self.pool.popleft())
                if drain or plan.alone:
                    break
                continue
            if not self._give(kid, plan, monotonic):
                break
            if not passed:
                self._pool_since = monotonic
        if passed:
            self.pool.extendleft(reversed(passed))
            self._say_short(passed[0])

    def _give(self, kid: Kid, plan: Plan, monotonic: float) -> bool:
        """Gives a child its share of the jobs under one plan at the pool's head; false when it takes no more."""
        was_idle = not kid.in_hand
        share = min(AT_ONCE, plan.window - len(kid.in_hand), -(-len(self.pool) // len(self.fleet.kids)))
        jobs, size = [self.pool.popleft()], 0
        while self.pool and len(jobs) < share and self.ledger.plan(self.pool[0]) is plan:
            size += len(self.pool[0].payload)
            if size > PACKET_BYTES:
                break
            jobs.append(self.pool.popleft())
        if not kid.give(jobs, plan, monotonic):
            self.pool.extendleft(reversed(jobs))
            return False
        if was_idle:
            self._meter.expect(plan.limit)
        return True

    def _take_returned(self) -> None:
        if self.crew.returned:
            self.pool.extendleft(reversed(self.crew.returned))
            self.crew.returned = []

    def _say_short(self, job: Claimed) -> None:
        if self.herald.listens:
            plan, free = self.ledger.plan(job), self.fleet.room().free
            if plan.reserve > free:
                self.herald.emit(RoomShort(job.task, plan.reserve, max(0, free)))

    # -- stopping ------------------------------------------------------------------------------------------------------

    def stop_cancelled(self) -> None:
        """Stops the running jobs that somebody cancelled: one look-up for all of them."""
        refs = set(self.store.cancelled(self.holder))
        if not refs:
            return
        self.crew.take_back_all()  # what is not begun need not begin
        self._take_returned()
        doomed = [job for job in self.pool if job.ref in refs]
        self.crew.ended += [Ended(job, Cancelled("before it started")) for job in doomed]
        self.pool = deque(job for job in self.pool if job.ref not in refs)
        for kid in self.fleet.kids:
            for number, held in list(kid.in_hand.items()):
                if held.job.ref in refs:
                    kid.interrupt(number, CANCEL, Cancelled("while it ran, and had to be killed"))

    def release(self, why: str) -> None:
        """Gives back unspent whatever is claimed and not begun."""
        self.crew.take_back_all()
        self._take_returned()
        self.crew.ended += [Ended(job, Released(why)) for job in self.pool]
        self.pool.clear()

    def abandon(self) -> None:
        """The lease was lost: nothing that runs here counts any more. Ends it all, and begins as a new holder."""
        self.crew.kill(self.fleet.kids, Released("the lease was lost"))
        for kid in self.fleet.kids:
            kid.in_hand.clear()
        self.crew.ended.clear()
        self.crew.returned.clear()
        self.crew.take_notes()
        self.pool.clear()
        self.holder = self.store.enrol(identity(myself()), LEASE_MS, self.now())
        self._rung = True

    @property
    def quiet(self) -> bool:
        """Whether nothing is in hand and nothing is left to write."""
        crew = self.crew
        return self.fleet.idle and not (self.pool or crew.ended or crew.returned or crew.calls)

    def goes_forward(self) -> bool:
        """Whether work is done, as far as there is any: not so when the store has refused results for two leases."""
        return not self.store_trouble or time.monotonic() - self._last_settled < 2 * LEASE_MS / 1000

    def measure(self) -> None:
        """Reads the sizes of supervisor and template, and fits the limits to the room that is left."""
        self.fleet.supervisor = resident(os.getpid()) or self.fleet.supervisor
        if self.crew.nursery is not None:
            self.fleet.template = resident(self.crew.nursery.pid) or self.fleet.template
        self.ledger.refit(self.fleet.room())


def _reply(kid: Kid, said: Answer) -> None:
    try:
        kid.line.send(wire.encode(said), wait=False)
    except OSError:
        return  # the job that asked has ended


def _event(each: Ended, settlement: Settlement) -> JobEnded:
    error = trace = ""
    if not isinstance(each.outcome, Completed):
        kind, message, trace = describe(each.outcome)
        error = f"{kind}: {message}" if message else kind
    return JobEnded(
        job_id=id_text(each.job.id),
        task=each.job.task,
        queue=each.job.queue,
        state=settlement.state.label,
        outcome=type(each.outcome).__name__,
        attempt=attempt_of(each.job),
        duration_s=each.usage.duration_us / 1e6 if each.usage is not None else None,
        peak=each.usage.peak if each.usage is not None else None,
        error=error,
        traceback=trace,
    )
