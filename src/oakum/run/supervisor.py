"""The worker's one loop: settle what ended, claim what fits, hand out. It never imports the user's code.

All that it decides it asks of pure code (`model.lifecycle`, `model.admission`); all that it writes goes through the store.
"""

from __future__ import annotations

import os
import random
import select
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from oakum.clock import Clock
from oakum.errors import EnqueueUnknown, StoreError
from oakum.events import ChildEnded, ChildStarted, JobEnded, LeaseWasLost, RoomShort
from oakum.host.cgroup import Parent
from oakum.host.identity import myself
from oakum.host.tree import resident
from oakum.model.admission import AGEING_S
from oakum.model.ids import id_text
from oakum.model.job import Claimed, NewJob
from oakum.model.lifecycle import Settlement, settle
from oakum.model.outcome import Completed, Outcome, OverBudget, Released, Usage, describe
from oakum.model.progress import encode_progress
from oakum.run import wire
from oakum.run.fleet import Fleet
from oakum.run.herald import Herald
from oakum.run.kid import InHand, Kid
from oakum.run.ledger import Ledger
from oakum.run.meter import Meter
from oakum.run.nursery import Nursery
from oakum.run.page import CANCEL
from oakum.run.postmortem import autopsy
from oakum.run.recovery import identity
from oakum.store.base import Bell, Instant, Store, Want

LEASE_MS: Final = 15_000
CLAIM_AT_MOST: Final = 512
SETTLE_AT_MOST: Final = 1024
LOOK_AHEAD: Final = 32  # jobs in the pool that may pass one that does not fit
BEHIND_SLOW_S: Final = 0.05
BACKOFF_S: Final = 0.5
JOBS_PER_CHILD: Final = 100_000
IDLE_S: Final = 1.0


class Ended(Struct, frozen=True, gc=False):
    """A start that has ended and is not settled yet."""

    job: Claimed
    outcome: Outcome
    usage: Usage | None
    attempt: int
    log: bytes | None = None
    follow: tuple[NewJob, ...] = ()


class Supervisor:
    """One worker. `queues` in the order of preference; the store is open, the nursery has a loaded template."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        fleet: Fleet,
        ledger: Ledger,
        herald: Herald,
        queues: tuple[str, ...],
        groups: Parent | None,
        echo: Callable[[Claimed, bytes], None] | None = None,
    ) -> None:
        self.store, self.clock, self.fleet, self.ledger, self.herald = store, clock, fleet, ledger, herald
        self.queues, self.groups, self.echo = queues, groups, echo
        self.nursery: Nursery | None = None
        self.holder = 0
        self.claiming = True
        self.host_short = ""
        self.ended_jobs = 0
        self.last_progress = time.monotonic()
        self.store_trouble = ""
        self.pool: deque[Claimed] = deque()
        self._pool_since = 0.0
        self._ended: list[Ended] = []
        self._notes: dict[int, bytes] = {}
        self._calls: list[tuple[Kid, wire.Store]] = []
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._bell: Bell | None = None
        self._rung = True
        self._next_claim = 0.0
        self._next_due = 0.0
        self._not_before = 0.0
        self._meter = Meter(lambda: self.fleet.kids)

    # -- the life of a worker ----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Enrols with the store and begins to listen and to measure."""
        self.holder = self.store.enrol(identity(myself()), LEASE_MS, self.now())
        self._bell = self.store.listen("work")
        if self._bell.fileno() >= 0:
            self.watch(self._bell.fileno(), self._ring)
        self._meter.start()

    def close(self) -> None:
        """Ends the meter, leaves the store."""
        self._meter.close()
        if self._bell is not None:
            self._bell.close()
        self.store.discharge(self.holder)
        self.store.close()
        self._epoll.close()

    def now(self) -> Instant:
        """The present moment."""
        return Instant.read(self.clock)

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Calls `handler` whenever `fd` has something to read."""
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Forgets a descriptor that is about to be closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def turn(self, longest: float) -> None:
        """Once around: waits for news, at most `longest` seconds, and does what follows from it."""
        self._listen(self._patience(longest))
        self._answer_calls()
        self._settle()
        if self.claiming and not self.store_trouble:
            self._claim()
        self._hand_out()
        self._take_back_from_slow()

    def _patience(self, longest: float) -> float:
        """How long this turn may wait for news."""
        if self._ended or self._calls:
            return max(0.0, self._not_before - time.monotonic())
        if any(len(kid.in_hand) > 1 for kid in self.fleet.kids):
            longest = min(longest, BEHIND_SLOW_S)
        if self.claiming and self._wants_more():
            if self._rung:
                return max(0.0, self._not_before - time.monotonic())
            longest = min(longest, max(0.0, self._next_claim - time.monotonic()))
        return longest

    def _listen(self, patience: float) -> None:
        for fd, _ in self._epoll.poll(patience):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler()

    def _ring(self) -> None:
        assert self._bell is not None
        self._bell.drain()
        self._rung = True
        if not self.fleet.idle:
            self.stop_cancelled()

    # -- children ----------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Makes the children that are missing."""
        if self.nursery is None:
            return
        for _ in range(self.fleet.missing):
            kid = self.nursery.child(self.groups)
            self.fleet.kids.append(kid)
            self.watch(kid.inbox.fileno(), lambda kid=kid: self._hear(kid))  # type: ignore[misc]
            self.watch(kid.line.fileno(), lambda kid=kid: self._hear_call(kid))  # type: ignore[misc]
            self.watch(kid.output, kid.read_output)

    def _hear(self, kid: Kid) -> None:
        """All that a child has to say now."""
        in_hand = kid.in_hand
        while (packet := kid.inbox.receive(wait=False)) is not None:
            if not packet:
                if kid.pidfd < 0:
                    self._bury(kid)  # it ended before it could say who it was
                else:
                    self.unwatch(kid.inbox.fileno())  # its end is told by its pidfd
                return
            message = wire.decode_from_child(packet)
            if type(message) is wire.Done:
                held = in_hand.pop(message.number, None)
                if held is not None:
                    self._done(kid, held, message)
            elif type(message) is wire.Ready:
                kid.arrive(message)
                self.watch(kid.pidfd, lambda: self._dies(kid))
                self.herald.emit(ChildStarted(kid.pid, kid.resting))
            elif type(message) is wire.Said:
                if message.number in in_hand:
                    self._notes[in_hand[message.number].job.ref] = encode_progress(message.progress)
            elif type(message) is wire.Declined:
                held = in_hand.pop(message.number, None)
                if held is not None:
                    self._return_to_pool([held.job])
                self.replace(kid, message.reason)

    def _done(self, kid: Kid, held: InHand, done: wire.Done) -> None:
        kid.jobs += 1
        kid.resting = max(0, done.resident - kid.shared)
        log = done.log
        if kid.tail:
            kid.read_output()
            log = (log or b"") + (kid.tail.take() or b"")
        usage = done.usage
        if kid.sampled > usage.peak:  # subprocesses and shared memory: the meter saw more than the child's own pages
            usage = Usage(usage.started_ms, usage.duration_us, kid.sampled, usage.resting, usage.retained, False)
        kid.sampled, kid.asked_stack = 0, False
        self._ended.append(Ended(held.job, done.outcome, usage, _attempt(held.job), log, done.follow))
        if done.spoiled:
            self.replace(kid, done.spoiled)
        elif kid.jobs >= JOBS_PER_CHILD:
            self.replace(kid, f"it has run {kid.jobs} jobs")

    def replace(self, kid: Kid, why: str) -> None:
        """Lets a child go after what it is running; what it has not begun goes to others, and another takes its place."""
        if kid.leaving:
            return
        self._return_to_pool(kid.take_back())
        kid.stop(why)
        self.fill()

    def _dies(self, kid: Kid) -> None:
        """A child has ended: what it said last still counts, what it had begun is judged, the rest goes back unspent."""
        self._hear(kid)
        kid.read_output()
        status = os.waitid(os.P_PIDFD, kid.pidfd, os.WEXITED | os.WNOHANG)
        if status is None:
            return
        back = kid.take_back()
        cause, ends = autopsy(kid, status, back)
        for held, outcome, usage in ends:
            log = kid.tail.take()
            self._ended.append(Ended(held.job, outcome, usage, _attempt(held.job), log))
        self._return_to_pool(back)
        self.herald.emit(ChildEnded(kid.pid, kid.leaving or cause))
        self._bury(kid)

    def _bury(self, kid: Kid) -> None:
        for fd in (kid.inbox.fileno(), kid.line.fileno(), kid.output, kid.pidfd):
            self.unwatch(fd)
        self.fleet.kids.remove(kid)
        kid.close()
        self.fill()

    # -- jobs that running jobs enqueue ------------------------------------------------------------------------------

    def _hear_call(self, kid: Kid) -> None:
        packet = kid.line.receive(wait=False)
        if packet:
            self._calls.append((kid, wire.decode_store(packet)))
        elif packet == b"":
            self.unwatch(kid.line.fileno())

    def _answer_calls(self) -> None:
        """Stores what all children want stored in one commit, then tells each."""
        calls, self._calls = self._calls, []
        if not calls:
            return
        jobs = [job for _, call in calls for job in call.jobs]
        answer: wire.Answer
        try:
            marks = {mark.place: mark.id for mark in self.store.insert(jobs, self.now())}
            self._rung = True
        except StoreError as error:
            refused = wire.Refused(str(error), isinstance(error, EnqueueUnknown))
            for kid, _ in calls:
                _reply(kid, refused)
            return
        first = 0
        for kid, call in calls:
            places = range(first, first + len(call.jobs))
            answer = wire.Stored([(place - first, marks[place]) for place in places if place in marks])
            first += len(call.jobs)
            _reply(kid, answer)

    # -- settling ----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Writes what has ended, all of it in one commit; on trouble keeps it and tries again soon."""
        monotonic = time.monotonic()
        if not self._ended or monotonic < self._not_before:
            return
        batch = self._ended[:SETTLE_AT_MOST]
        now = self.now()
        settlements = [self._judge(each, now.wall_ms) for each in batch]
        try:
            late = self.store.settle(settlements, self.holder, now)
        except StoreError as error:
            self.store_trouble, self._not_before = str(error), monotonic + BACKOFF_S
            return
        self.store_trouble = ""
        self.last_progress = monotonic
        del self._ended[: len(batch)]
        self.ended_jobs += len(batch) - len(late)
        if any(each.follow or not each.state.terminal for each in settlements):
            self._rung = True
        self._tell(batch, settlements, set(late))

    def _judge(self, each: Ended, now_ms: int) -> Settlement:
        job, outcome = each.job, each.outcome
        grow = isinstance(outcome, OverBudget) and self.ledger.may_grow(job)
        if not isinstance(outcome, Released):
            self.ledger.note(job.task, outcome, each.usage)
        return settle(
            job, outcome, each.usage, self.ledger.spec(job.task), now_ms, random.random(),
            may_grow=grow, log=each.log, follow=each.follow,
        )  # fmt: skip

    def _tell(self, batch: list[Ended], settlements: list[Settlement], late: set[int]) -> None:
        """Events and echo, after the fact is in the store."""
        if self.echo is not None:
            for each in batch:
                if each.log:
                    self.echo(each.job, each.log)
        if not self.herald.listens:
            return
        for place, (each, settlement) in enumerate(zip(batch, settlements, strict=True)):
            job_id = id_text(each.job.id)
            if place in late:
                self.herald.emit(LeaseWasLost(job_id, each.job.task))
            else:
                self.herald.emit(_event(job_id, each, settlement))

    def save_notes(self) -> None:
        """Leaves the latest progress of running jobs in the store."""
        if self._notes:
            notes, self._notes = self._notes, {}
            self.store.progress(notes, self.holder)

    # -- claiming and handing out --------------------------------------------------------------------------------------

    def _wants_more(self) -> bool:
        return len(self.pool) < CLAIM_AT_MOST // 2 and not self.host_short and bool(self.fleet.kids)

    def _claim(self) -> None:
        """Takes jobs out of the store: as many as the children can be expected to begin soon, in bytes and in number."""
        monotonic = time.monotonic()
        if not self._wants_more() or (not self._rung and monotonic < self._next_claim) or monotonic < self._not_before:
            return
        room = self.ledger.budget - self._outstanding()
        if room <= 0:
            return
        want = Want(self.holder, self.queues, self.ledger.weights(), room, CLAIM_AT_MOST)
        now = self.now()
        try:
            claimed = self.store.claim(want, now)
        except StoreError as error:
            self.store_trouble, self._not_before = str(error), monotonic + BACKOFF_S
            return
        if claimed:
            if not self.pool:
                self._pool_since = monotonic
            self.pool.extend(claimed)
            self._rung = True  # there may be more
        else:
            self._rung = False
            due = self.store.next_due()
            wait = IDLE_S if due is None else min(IDLE_S, max(0.001, (due - now.wall_ms) / 1000))
            self._next_claim = monotonic + wait

    def _outstanding(self) -> int:
        """What the jobs that are claimed and not begun, or running, count for."""
        ledger = self.ledger
        total = sum(ledger.weigh(ledger.plan(job)) for job in self.pool)
        for kid in self.fleet.kids:
            if kid.in_hand and kid.plan is not None:
                total += ledger.weigh(kid.plan) * len(kid.in_hand)
        return total

    def _hand_out(self) -> None:
        """Gives the pool's jobs to children, in order; a few may pass one that does not fit, until it has waited too long."""
        if not self.pool:
            return
        monotonic = time.monotonic()
        passed: list[Claimed] = []
        drain = monotonic - self._pool_since > AGEING_S
        while self.pool and len(passed) < LOOK_AHEAD:
            job = self.pool[0]
            plan = self.ledger.plan(job)
            kid = self.fleet.place(plan)
            if kid is None:
                passed.append(self.pool.popleft())
                if drain or plan.alone:
                    break
                continue
            was_idle = not kid.in_hand
            if not kid.give(job, plan, _attempt(job), monotonic):
                break
            if was_idle:
                self._meter.expect(plan.limit)
            self.pool.popleft()
            if not passed:
                self._pool_since = monotonic
        if passed:
            self.pool.extendleft(reversed(passed))
            self._say_short(passed[0])

    def _say_short(self, job: Claimed) -> None:
        plan, free = self.ledger.plan(job), self.fleet.room().free
        if self.herald.listens and plan.reserve > free:
            self.herald.emit(RoomShort(job.task, plan.reserve, max(0, free)))

    def _take_back_from_slow(self) -> None:
        """Jobs behind a slow one go back to the pool."""
        now_ns = time.monotonic_ns()
        for kid in self.fleet.kids:
            if len(kid.in_hand) > 1 and kid.plan is not None and not kid.plan.shared:
                running = kid.page.running()
                if running is not None and (now_ns - running[1]) / 1e9 > BEHIND_SLOW_S:
                    self._return_to_pool(kid.take_back())

    def _return_to_pool(self, jobs: list[Claimed]) -> None:
        self.pool.extendleft(reversed(jobs))

    # -- stopping ------------------------------------------------------------------------------------------------------

    def stop_cancelled(self) -> None:
        """Stops the running jobs that somebody cancelled: one look-up for all of them."""
        refs = set(self.store.cancelled(self.holder))
        if not refs:
            return
        for kid in self.fleet.kids:
            for number, held in list(kid.in_hand.items()):
                if held.job.ref in refs:
                    kid.interrupt(number, CANCEL)

    def release(self, why: str) -> None:
        """Gives back unspent whatever is claimed and not begun."""
        for kid in self.fleet.kids:
            self._return_to_pool(kid.take_back())
        self._ended += [Ended(job, Released(why), None, _attempt(job)) for job in self.pool]
        self.pool.clear()

    def dismiss(self, patience: float) -> None:
        """Ends all children in peace, so that their stop hooks run; kills those that take longer than `patience` seconds."""
        self.nursery = None
        deadline = time.monotonic() + patience
        for kid in self.fleet.kids:
            kid.stop("the worker stopped")
        while self.fleet.kids:
            if time.monotonic() > deadline:
                for kid in self.fleet.kids:
                    kid.kill(None)
            self.turn(0.1)
        self.herald.connect(None, 0)

    def look_again(self) -> None:
        """There may be jobs to claim."""
        self._rung = True

    def goes_forward(self) -> bool:
        """Whether work is done, as far as there is any: not so when the store has refused to take results for two leases."""
        return not self.store_trouble or time.monotonic() - self.last_progress < 2 * LEASE_MS / 1000

    def abandon(self) -> None:
        """The lease was lost: nothing that runs here counts any more. Ends it all, and begins as a new holder."""
        for kid in self.fleet.kids:
            kid.kill(Released("the lease was lost"))
            kid.in_hand.clear()
        self.pool.clear()
        self._ended.clear()
        self._notes.clear()
        self.holder = self.store.enrol(identity(myself()), LEASE_MS, self.now())
        self._rung = True

    @property
    def quiet(self) -> bool:
        """Whether nothing is in hand and nothing is left to write."""
        return self.fleet.idle and not self.pool and not self._ended and not self._calls

    def measure(self) -> None:
        """Reads the sizes of supervisor and template, and fits the limits to the room that is left."""
        self.fleet.supervisor = resident(os.getpid()) or self.fleet.supervisor
        if self.nursery is not None:
            self.fleet.template = resident(self.nursery.pid) or self.fleet.template
        self.ledger.refit(self.fleet.room())


def _attempt(job: Claimed) -> int:
    return job.tries + job.crashes + job.over + 1


def _reply(kid: Kid, answer: wire.Answer) -> None:
    try:
        kid.line.send(wire.encode(answer), wait=False)
    except OSError:
        return  # the job that asked has ended


def _event(job_id: str, each: Ended, settlement: Settlement) -> JobEnded:
    error = trace = ""
    if not isinstance(each.outcome, Completed):
        kind, message, trace = describe(each.outcome)
        error = f"{kind}: {message}" if message else kind
    usage = each.usage
    return JobEnded(
        job_id=job_id,
        task=each.job.task,
        queue=each.job.queue,
        state=settlement.state.label,
        outcome=type(each.outcome).__name__,
        attempt=each.attempt,
        duration_s=usage.duration_us / 1e6 if usage is not None else None,
        peak=usage.peak if usage is not None else None,
        error=error,
        traceback=trace,
    )
