"""The children of one worker as a crew: made, heard, replaced, buried. What they bring is laid down here for the supervisor."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from oakum.events import ChildEnded, ChildStarted
from oakum.host.cgroup import Parent
from oakum.model.job import Claimed, NewJob
from oakum.model.outcome import Outcome, Usage
from oakum.model.progress import encode_progress
from oakum.run.link import wire
from oakum.run.link.calls import Call, decode_call
from oakum.run.worker.fleet import Fleet
from oakum.run.worker.herald import Herald
from oakum.run.worker.kid import InHand, Kid
from oakum.run.worker.nursery import Nursery
from oakum.run.worker.poller import Poller
from oakum.run.worker.postmortem import autopsy

BEHIND_SLOW_NS: Final = 50_000_000
JOBS_PER_CHILD: Final = 100_000
LONGEST_PAUSE_S: Final = 30.0  # between children that do not come up
OUTPUT_LOOK_US: Final = 1000  # shorter jobs start no program whose output would have to be waited for


class Ended(Struct, frozen=True, gc=False):
    """A start that has ended and is not settled yet."""

    job: Claimed
    outcome: Outcome
    usage: Usage | None = None
    log: bytes | None = None
    follow: tuple[NewJob, ...] = ()


class Crew:
    """All children. `ended`, `returned`, `notes` and `calls` are what they have brought since somebody took it.

    `returned` are jobs that were given to a child and not begun; `notes` is the latest progress by the store's reference.
    """

    def __init__(self, fleet: Fleet, poller: Poller, herald: Herald, groups: Parent | None) -> None:
        self.fleet, self.herald = fleet, herald
        self.nursery: Nursery | None = None
        self.ended: list[Ended] = []
        self.returned: list[Claimed] = []
        self.notes: dict[int, bytes] = {}
        self.calls: list[tuple[Kid, Call]] = []
        self.trouble = ""
        self._poller, self._groups = poller, groups
        self._stillborn = 0
        self._not_before = 0.0

    # -- coming and going ----------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Makes the children that are missing, as soon as there is a template."""
        if self.nursery is None or time.monotonic() < self._not_before:
            return
        for _ in range(self.fleet.missing):
            try:
                kid = self.nursery.child(self._groups)
            except ConnectionError:
                self.nursery = None  # it has just died, as we shall hear; the next one makes what is missing
                return
            self.fleet.kids.append(kid)
            self._poller.watch(kid.answers.fileno(), functools.partial(self._hear, kid))
            self._poller.watch(kid.line.fileno(), functools.partial(self._hear_call, kid))
            self._poller.watch(kid.output, functools.partial(self._read_output, kid))

    def replace(self, kid: Kid, why: str) -> None:
        """Lets a child go after what it is running; what it has not begun goes back, and another takes its place."""
        if not kid.leaving:
            self.returned += kid.take_back()
            kid.stop(why)
            self.fill()

    def replace_all(self, why: str) -> None:
        """Replaces every child there is."""
        for kid in list(self.fleet.kids):
            self.replace(kid, why)

    def dismiss(self, patience: float) -> None:
        """Ends all children in peace, so that their stop hooks run; kills those that take longer than `patience` seconds.

        One that has not come up by then is not waited for: the kernel ends it with this process.
        """
        self.fleet.slots = 0  # so that nobody is missing, even when a template arrives that was still being loaded
        deadline = time.monotonic() + patience
        for kid in self.fleet.kids:
            kid.stop("the worker stopped")
        while any(kid.pid or time.monotonic() < deadline for kid in self.fleet.kids):
            if time.monotonic() > deadline:
                self.kill(self.fleet.kids, None)
            self._poller.poll(0.1)

    def kill(self, kids: Iterable[Kid], verdict: Outcome | None) -> None:
        """Kills children; `verdict` is what becomes of the jobs that they run."""
        for kid in kids:
            kid.kill(verdict)

    def _dies(self, kid: Kid) -> None:
        """A child has ended: what it said last still counts, what it had begun is judged, the rest goes back unspent."""
        status = os.waitid(os.P_PIDFD, kid.pidfd, os.WEXITED | os.WNOHANG)
        if status is None:
            return
        self._hear(kid)
        kid.read_output()
        back = kid.take_back()
        cause, ends = autopsy(kid, status, back)
        log = kid.tail.take()
        self.ended += [Ended(held.job, outcome, usage, log) for held, outcome, usage in ends]
        self.returned += back
        self.herald.emit(ChildEnded(kid.pid, kid.leaving or cause))
        self._bury(kid)

    def _bury(self, kid: Kid) -> None:
        for fd in (kid.answers.fileno(), kid.line.fileno(), kid.output, kid.pidfd):
            self._poller.unwatch(fd)
        self.fleet.kids.remove(kid)
        kid.close()
        self.fill()

    # -- what they say ---------------------------------------------------------------------------------------------------

    def _hear(self, kid: Kid) -> None:
        """All that a child has to say now."""
        for packet in kid.answers.receive():
            message = wire.decode_from_child(packet)
            if type(message) is wire.Done:
                held = kid.in_hand.pop(message.number, None)
                if held is not None:
                    self._done(kid, held, message)
            elif type(message) is wire.Said:
                if message.number in kid.in_hand:
                    self.notes[kid.in_hand[message.number].job.ref] = encode_progress(message.progress)
            elif type(message) is wire.Declined:
                held = kid.in_hand.pop(message.number, None)
                if held is not None:
                    self.returned.append(held.job)
                self.replace(kid, message.reason)
            elif type(message) is wire.Ready:
                kid.arrive(message)
                self.trouble, self._stillborn = "", 0
                self._poller.watch(kid.pidfd, functools.partial(self._dies, kid))
                self.herald.emit(ChildStarted(kid.pid, kid.resting))
        if not kid.answers.open:
            self._poller.unwatch(kid.answers.fileno())

    def _fell_silent(self, kid: Kid) -> None:
        """Its end of the line is closed: it has ended, which its pidfd tells too, once we have that.

        Only the line says so: its answers and its output it may have closed itself.
        """
        self._poller.unwatch(kid.line.fileno())
        if kid.pidfd < 0:  # it never came up: a start hook raised, or there was no memory for it
            kid.read_output()
            self.trouble = (
                f"children end before they are ready: {kid.tail.peek().strip()[-2000:] or 'they say nothing'}"
            )
            self._stillborn += 1
            self._not_before = time.monotonic() + min(LONGEST_PAUSE_S, 2.0**self._stillborn)
            self._bury(kid)

    def _done(self, kid: Kid, held: InHand, done: wire.Done) -> None:
        kid.jobs += 1
        kid.rest_at(done.resident)
        if done.usage.duration_us > OUTPUT_LOOK_US:
            kid.read_output()
        log = done.log
        if kid.tail:
            log = (log or b"") + (kid.tail.take() or b"")
        usage = done.usage
        if kid.sampled > usage.peak:  # subprocesses and shared memory: the meter saw more than the child's own pages
            usage = Usage(usage.started_ms, usage.duration_us, kid.sampled, usage.resting, usage.retained, False)
        kid.sampled, kid.asked_stack, kid.slow = 0, False, False
        self.ended.append(Ended(held.job, done.outcome, usage, log, done.follow))
        if done.spoiled:
            self.replace(kid, done.spoiled)
        elif kid.jobs >= JOBS_PER_CHILD:
            self.replace(kid, f"it has run {kid.jobs} jobs")

    def _hear_call(self, kid: Kid) -> None:
        packet = kid.line.receive(wait=False)
        if packet:
            self.calls.append((kid, decode_call(packet)))
        elif packet == b"":
            self._fell_silent(kid)

    def _read_output(self, kid: Kid) -> None:
        if not kid.read_output():
            self._poller.unwatch(kid.output)

    # -- taking back -----------------------------------------------------------------------------------------------------

    def take_back_from_slow(self) -> None:
        """Jobs that wait behind a slow one come back, and none follows it."""
        now_ns = time.monotonic_ns()
        for kid in self.fleet.kids:
            if len(kid.in_hand) > 1 and kid.plan is not None and not kid.plan.shared:
                running = kid.page.running()
                if running is not None and running[0] in kid.in_hand and now_ns - running[1] > BEHIND_SLOW_NS:
                    kid.slow = True
                    self.returned += kid.take_back()

    def take_back_all(self) -> None:
        """All jobs that are not begun come back."""
        for kid in self.fleet.kids:
            self.returned += kid.take_back()

    def take_notes(self) -> dict[int, bytes]:
        """The latest progress of running jobs; it is not told again."""
        notes, self.notes = self.notes, {}
        return notes
