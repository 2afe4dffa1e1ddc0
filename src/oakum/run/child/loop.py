"""Async jobs: up to `concurrency` of one task share a loop in one child, and one limit for their sum."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from oakum.model.outcome import Cancelled, Failed, Outcome, Released, TimedOut, Usage
from oakum.run.child.station import AnyTask, Station
from oakum.run.context import enter
from oakum.run.execute import arun, call
from oakum.run.link import wire
from oakum.run.link.orders import STOP, Order
from oakum.run.link.page import CANCEL, TIMEOUT

_TOGETHER: Final = Released("the jobs of its loop went over budget together", alone=True)


def session(station: Station, first: wire.Hand, task: AnyTask) -> wire.Hand | Order | None:
    """Runs the first job, and those of the same task that arrive while the loop is busy; the order that was of another
    kind and ended it, if any."""
    loop = _loop()
    return loop.run_until_complete(_Session(station, loop).serve(first, task))


def _loop() -> asyncio.AbstractEventLoop:
    """One loop for the whole life of the child: what async code keeps on its loop stays usable from job to job."""
    try:
        return asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop


class _Session:
    def __init__(self, station: Station, loop: asyncio.AbstractEventLoop) -> None:
        self._station, self._loop = station, loop
        self._jobs: dict[int, asyncio.Task[None]] = {}
        self._why: dict[int, int] = {}
        self._ended_by: wire.Hand | Order | None = None
        self._broken = False

    async def serve(self, first: wire.Hand, task: AnyTask) -> wire.Hand | Order | None:
        """Until no job runs."""
        station = self._station
        declined = station.gauge.arm(first.limit, first.headroom)
        if declined:
            station.send(wire.Declined(first.number, declined))
            return None
        self._start(first, task)
        self._loop.add_reader(station.inbox.fileno(), self._receive, first, task)
        while self._jobs:
            await asyncio.wait(self._jobs.values())
        self._loop.remove_reader(station.inbox.fileno())
        station.gauge.finish()
        station.page.finish(station.page.started())
        return self._ended_by

    def _receive(self, first: wire.Hand, task: AnyTask) -> None:
        """Another job of the same task under the same limit joins in; anything else has to wait until this loop is done."""
        order = self._station.inbox.next(wait=False)
        if order is None:
            return
        if isinstance(order, wire.Hand) and (order.task, order.limit) == (first.task, first.limit):
            self._start(order, task)
        elif isinstance(order, Order) and order.kind != STOP:
            self._interrupt(order.number, order.kind)
        else:
            self._ended_by = order
            self._loop.remove_reader(self._station.inbox.fileno())

    def _start(self, hand: wire.Hand, task: AnyTask) -> None:
        self._station.page.start(hand.number, time.monotonic_ns(), self._station.gauge.rest.resident)
        job = self._loop.create_task(self._run(hand, task))
        self._jobs[hand.number] = job
        job.add_done_callback(lambda _: self._jobs.pop(hand.number, None))

    def _interrupt(self, number: int, why: int) -> None:
        job = self._jobs.get(number)
        if job is not None:
            self._why[number] = why
            job.cancel()

    async def _run(self, hand: wire.Hand, task: AnyTask) -> None:
        station = self._station
        started_ms, started_ns = int(time.time() * 1000), time.monotonic_ns()
        context = station.context(hand, started_ns)
        enter(context)
        timer = None
        if hand.timeout_s:
            timer = self._loop.call_later(hand.timeout_s, self._interrupt, hand.number, TIMEOUT)
        spoiled = ""
        try:
            work = lambda: call(task, hand.payload, context, station.app.middlewares)  # noqa: E731
            outcome = await arun(task, work, hand.timeout_s, station.app.max_result)
        except MemoryError as error:
            station.gauge.disarm()
            outcome, spoiled = self._over_budget(error, task, hand), "a MemoryError leaves the heap in pieces"
        finally:
            if timer is not None:
                timer.cancel()
        station.end_copy(outcome)
        outcome = self._explain(hand, outcome)
        duration_us = (time.monotonic_ns() - started_ns) // 1000
        usage = Usage(
            started_ms, duration_us, station.gauge.peak(), station.gauge.rest.resident, None, len(self._jobs) == 1
        )
        station.answer(hand, outcome, usage, spoiled)

    def _over_budget(self, error: MemoryError, task: AnyTask, hand: wire.Hand) -> Outcome:
        """Only a job that broke the limit by itself is charged; jobs that broke it together are to run alone."""
        if len(self._jobs) == 1 and not self._broken:
            return self._station.over_budget(error, task, hand)
        self._broken = True
        for number, job in self._jobs.items():
            if number != hand.number:
                job.cancel()
        return _TOGETHER

    def _explain(self, hand: wire.Hand, outcome: Outcome) -> Outcome:
        """What a cancelled coroutine was cancelled for; a coroutine that ended in its own way is believed."""
        why = self._why.pop(hand.number, 0)
        if not (isinstance(outcome, Failed) and outcome.type == "asyncio.exceptions.CancelledError"):
            return outcome
        if why == CANCEL:
            return Cancelled("while it ran")
        if why == TIMEOUT:
            return TimedOut(hand.timeout_s)
        return _TOGETHER if self._broken else outcome
