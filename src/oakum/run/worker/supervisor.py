"""The worker's one loop: settle what ended, claim what fits, hand out. It never imports the user's code.

All that it decides it asks of pure code (`model.lifecycle`, `model.admission`); all that it writes goes through the store.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Final

from oakum.clock import Clock
from oakum.errors import StoreError, StoreMoved
from oakum.host.identity import myself
from oakum.host.tree import resident
from oakum.model.job import Claimed
from oakum.model.outcome import Cancelled, Released
from oakum.model.task import Manifest
from oakum.run.link import wire
from oakum.run.link.calls import Answer
from oakum.run.link.page import CANCEL
from oakum.run.worker.answers import answer
from oakum.run.worker.crew import BEHIND_SLOW_NS, Crew, Ended
from oakum.run.worker.kid import Kid
from oakum.run.worker.ledger import Ledger
from oakum.run.worker.meter import Meter
from oakum.run.worker.offers import Offers
from oakum.run.worker.poller import Poller
from oakum.run.worker.pool import Pool
from oakum.run.worker.recovery import identity
from oakum.run.worker.settler import WITHIN_S, Echo, Settler
from oakum.run.worker.trouble import Trouble
from oakum.store.base import Bell, Instant, Store, Want
from oakum.units import MIB

LEASE_MS: Final = 15_000
CLAIM_AT_MOST: Final = 512
PAYLOAD_AHEAD: Final = 8 * MIB  # of arguments that are claimed ahead: they lie in this process's memory
IDLE_S: Final = 1.0
OVERDUE_S: Final = 0.05  # what is due and can't be claimed is another's, or waits for room
MANY: Final = 16  # jobs in a claim after which the next one comes at once
AGAIN_S: Final = 0.002  # after a smaller one


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
        self.trouble = Trouble()
        self.left = ""  # where the store has moved to, for good
        self.queues = queues
        self._clock, self._poller = clock, poller
        self._meter = Meter(lambda: self.fleet.kids)
        self.pool = Pool(crew, ledger, self._meter)
        self.settler = Settler(store, crew, ledger, self.trouble, echo)
        self._lease_until_ms = 0
        self._offers = Offers(store)
        self._bell: Bell | None = None
        self._rung = True
        self._limited = False  # whether the last claim left jobs where they are because they do not fit now
        self._room = 0
        self._payload = 0
        self._next_claim = 0.0

    def open(self) -> None:
        """Enrols with the store and begins to listen and to measure."""
        self._enrol()
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

    def _enrol(self) -> None:
        now = self.now()
        self.holder = self.store.enrol(identity(myself()), LEASE_MS, now)
        self._lease_until_ms = now.boot_ms + LEASE_MS

    def renew(self, report: bytes) -> bool:
        """Lengthens the lease and leaves the report; false when it was lost."""
        now = self.now()
        if not self.store.renew(self.holder, LEASE_MS, report, now):
            return False
        self._lease_until_ms = now.boot_ms + LEASE_MS
        return True

    def now(self) -> Instant:
        """The present moment."""
        return Instant.read(self._clock)

    def turn(self, longest: float) -> None:
        """Once around: waits for news, at most `longest` seconds, and does what follows from it."""
        self._poller.poll(self._patience(longest))
        self._answer_calls()
        self.pool.hand_out(self.now().wall_ms)  # first, so that the children work while the disk does
        if self.settler.is_due:
            self._settle()
        self._claim()
        self.pool.hand_out(self.now().wall_ms)
        self.crew.take_back_from_slow()
        if self.fleet.stuck and self.crew.returned:
            self.release("the jobs before it take long")  # perhaps another worker has a child that is free

    def _patience(self, longest: float) -> float:
        """How long this turn may wait for news."""
        crew, trouble = self.crew, self.trouble.pause
        if crew.calls or crew.returned:
            return 0.0
        if crew.ended:
            return min(longest, max(trouble, WITHIN_S))
        if any(len(kid.in_hand) > 1 for kid in self.fleet.kids):
            longest = min(longest, BEHIND_SLOW_NS / 1e9)
        if self._may_claim():
            longest = min(longest, trouble if self._rung else max(0.0, self._next_claim - time.monotonic()))
        return longest

    def _ring(self) -> None:
        assert self._bell is not None
        self._bell.drain()
        # Past the lease what was given may be another's by now: then the store is asked.
        leased = self._clock.boot() * 1000 < self._lease_until_ms
        given, look = self._offers.hear() if leased else ((), True)
        self.pool.add(given)
        if not look:
            return
        self._rung = True
        if not self.fleet.idle:
            try:
                self.stop_cancelled()
            except StoreError as error:
                self.trouble.meet(error)

    def learn(self, manifest: Manifest) -> None:
        """The application was loaded, perhaps anew: what is offered is of its tasks."""
        self._withdraw()
        self.ledger.learn(manifest)

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

    # -- settling and claiming ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        settled = self.settler.settle(self.holder, self.now())
        if settled and (
            self._limited or not self.pool or any(each.follow or each.ended_ms is None for each in settled)
        ):
            self._rung = True  # there is room again, something new, or what a limit or a key has held back

    def _may_claim(self) -> bool:
        if self.fleet.stuck:
            return False
        return self.claiming and not self.host_short and len(self.pool) < CLAIM_AT_MOST // 2 and bool(self.fleet.kids)

    def _claim(self) -> None:
        """Takes jobs out of the store: as many as the children can be expected to begin soon, in bytes and in number."""
        monotonic = time.monotonic()
        if not self._may_claim():
            self._withdraw()
            return
        if (not self._rung and monotonic < self._next_claim) or self.trouble.pause:
            return
        now = self.now()
        try:
            claimed = self._look(now) if self._has_room() else []
            due = None if claimed else self.store.next_due(now)
        except StoreError as error:
            self.left = str(error) if isinstance(error, StoreMoved) and error.for_good else ""
            self.trouble.meet(error)
            return
        if claimed:
            self.pool.add(claimed)
            self._next_claim = monotonic + AGAIN_S
        else:
            wait_s = IDLE_S if due is None else (due - now.wall_ms) / 1000
            self._next_claim = monotonic + min(IDLE_S, wait_s if wait_s > 0 else OVERDUE_S)
        self._rung = len(claimed) >= MANY  # there will be more; of a few the children are to begin first

    def _look(self, now: Instant) -> Sequence[Claimed]:
        """Claims; where there is nothing, and a child has nothing to do, offers to take what comes."""
        want = self._want()
        claimed = self.store.claim(want, now)
        if claimed:
            self._offers.end()
        elif self.fleet.anyone_idle and want.weights:
            self._offers.leave(want, now)
        return claimed

    def _withdraw(self) -> None:
        """Offers nothing more; what was given under an offer is taken."""
        if self.trouble.pause:
            return
        try:
            self.pool.add(self._offers.withdraw(self.holder))
        except StoreError as error:
            self.trouble.meet(error)

    def _has_room(self) -> bool:
        """Whether a claim is worth it: a large one a little later costs half of what two small ones do."""
        self._room = self.ledger.budget - self.pool.weight
        self._payload = PAYLOAD_AHEAD - self.pool.bytes
        enough = self.fleet.anyone_idle or self._room >= self.ledger.budget // 2
        self._limited = not (self._room > 0 and self._payload >= PAYLOAD_AHEAD // 2 and enough)
        return not self._limited

    def _want(self) -> Want:
        weights = self.ledger.weights()
        fitting = {task: weight for task, weight in weights.items() if weight <= self._room}
        self._limited = len(fitting) < len(weights)
        return Want(self.holder, self.queues, fitting, self._room, CLAIM_AT_MOST, self._payload, self._offers.turn)

    # -- stopping ------------------------------------------------------------------------------------------------------

    def stop_cancelled(self) -> None:
        """Stops the running jobs that somebody cancelled: one look-up for all of them."""
        refs = set(self.store.cancelled(self.holder))
        if not refs:
            return
        self.crew.take_back_all()  # what is not begun need not begin
        self.pool.take_returned()
        self.crew.ended += [Ended(job, Cancelled("before it started")) for job in self.pool.remove(refs)]
        for kid in self.fleet.kids:
            for number, held in list(kid.in_hand.items()):
                if held.job.ref in refs:
                    kid.interrupt(number, CANCEL, Cancelled("while it ran, and had to be killed"))

    def release(self, why: str) -> None:
        """Gives back unspent whatever is claimed and not begun."""
        self._withdraw()
        self.crew.take_back_all()
        self.pool.take_returned()
        self.crew.ended += [Ended(job, Released(why)) for job in self.pool.clear()]

    def abandon(self) -> None:
        """The lease was lost: nothing that runs here counts any more. Ends it all, and begins as a new holder."""
        self.crew.kill(self.fleet.kids, Released("the lease was lost"))
        for kid in self.fleet.kids:
            kid.in_hand.clear()
        self.crew.ended.clear()
        self.crew.returned.clear()
        self.crew.take_notes()
        self.pool.clear()
        self._offers.end()
        self._enrol()
        self._rung = True

    @property
    def quiet(self) -> bool:
        """Whether nothing is in hand and nothing is left to write."""
        crew = self.crew
        return self.fleet.idle and not (self.pool or crew.ended or crew.returned or crew.calls)

    def goes_forward(self) -> bool:
        """Whether work is done, as far as there is any: not so when the store has refused results for two leases."""
        return not self.trouble.text or time.monotonic() - self.settler.last < 2 * LEASE_MS / 1000

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
