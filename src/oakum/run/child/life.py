"""A child: takes one job after the other from its inbox, runs it inside its limits, says how it ended.

It holds no store connection. Async jobs run in `loop`; what both ways share is the `station`.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import random
import signal
import time
from types import FrameType
from typing import NoReturn

from oakum.errors import Cancelled, SoftTimeout, TaskInterrupt
from oakum.host.process import INTERRUPT, LOST_CHANNEL, SHOW_STACK, note_only
from oakum.host.tree import private
from oakum.model.outcome import Failed, Outcome, Usage
from oakum.run.app import Oakum
from oakum.run.child.capture import install
from oakum.run.child.inbox import Inbox
from oakum.run.child.station import AnyTask, Station
from oakum.run.context import enter
from oakum.run.execute import call, outcome_of, run
from oakum.run.link import wire
from oakum.run.link.channel import Channel
from oakum.run.link.orders import STOP, Order
from oakum.run.link.page import CANCEL, TIMEOUT, Page
from oakum.run.link.stream import Sender


def live(app: Oakum, inbox: Inbox, answers: Sender, line: Channel, page: Page) -> NoReturn:
    """The whole life of a child."""
    # Stacks go to the plain stderr: on a crash, and when the meter asks for one before it kills.
    faulthandler.enable(2, all_threads=False)
    faulthandler.register(SHOW_STACK, 2, all_threads=True, chain=False)
    random.seed()
    note_only(signal.SIGTERM, signal.SIGINT)  # meant for all of a service at once: the supervisor decides
    for hook in app.child_start_hooks:
        hook()
    gc.collect()
    station = Station(app, inbox, answers, line, page)
    install(station.tail)
    app.desk.line = station.line
    child = Child(station)
    signal.signal(INTERRUPT, child.interrupted)
    resident, mine = station.gauge.rest.resident, private(os.getpid())
    shared = 0 if mine is None else max(0, resident - mine)
    station.send(wire.Ready(os.getpid(), resident, shared, station.gauge.ring1))
    while child.turn():
        pass
    for hook in app.child_stop_hooks:
        hook()
    os._exit(0)


class Child:
    """Runs jobs of sync tasks, and hands async ones to the loop."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._running = 0
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def turn(self) -> bool:
        """One order; false when it was the last."""
        order = self._station.inbox.next()
        while isinstance(order, wire.Hand):
            order = self._take(order)
        return order is None or order.kind != STOP

    def _take(self, hand: wire.Hand) -> wire.Hand | Order | None:
        """Runs a job; async ones with those that join them, and then the order that ended their loop comes next."""
        task = self._station.app.tasks.get(hand.task)
        if task is None or not task.spec.is_async:
            self._run(hand, task)
            return None
        from oakum.run.child.loop import session  # brings asyncio, which a child without async tasks does without

        return session(self._station, hand, task)

    def interrupted(self, _signum: int, _frame: FrameType | None) -> None:
        """The supervisor wants the running job to end. A signal that comes late finds another number and does nothing."""
        number = self._running
        why = self._station.page.wanted(number) if number else 0
        if why == TIMEOUT:
            raise SoftTimeout("the job's timeout has passed")
        if why == CANCEL:
            raise Cancelled("the job was cancelled")

    def _run(self, hand: wire.Hand, task: AnyTask | None) -> None:
        """One job of a sync task, from the limit to the answer."""
        station, gauge = self._station, self._station.gauge
        declined = gauge.arm(hand.limit, hand.headroom)
        if declined:
            station.send(wire.Declined(hand.number, declined))
            return
        started_ms = int(time.time() * 1000)
        started_ns = time.monotonic_ns()
        station.page.start(hand.number, started_ns, gauge.rest.resident)
        spoiled = ""
        try:
            outcome = self._call(hand, task, started_ns)
        except MemoryError as error:
            gauge.disarm()  # before anything else
            outcome = station.over_budget(error, task, hand)
            spoiled = "a MemoryError leaves the heap in pieces"
        except TaskInterrupt as error:  # it came just after the task had returned
            outcome = outcome_of(error, task, hand.timeout_s)
        station.end_copy(outcome)
        duration_us = (time.monotonic_ns() - started_ns) // 1000
        station.page.finish(hand.number)
        try:
            peak, retained = gauge.finish()
            os.fchdir(self._home)
        except OSError:  # the job has closed descriptors that were not its own
            os._exit(LOST_CHANNEL)
        station.answer(hand, outcome, Usage(started_ms, duration_us, peak, gauge.rest.resident, retained), spoiled)

    def _call(self, hand: wire.Hand, task: AnyTask | None, started_ns: int) -> Outcome:
        if task is None:
            return Failed("oakum.errors.UnknownTask", f"this child's application has no task {hand.task!r}", "", -1)
        app, context = self._station.app, self._station.context(hand, started_ns)
        enter(context)
        self._running = hand.number
        try:
            return run(task, lambda: call(task, hand.payload, context, app.middlewares), hand.timeout_s, app.max_result)
        finally:
            self._running = 0
