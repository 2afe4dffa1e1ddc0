"""A child: takes one job after the other from its inbox, runs it inside its limits, says how it ended.

It holds no store connection. Only this file and `loop` know both the user's code and the wire.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import random
import signal
import time
from types import FrameType
from typing import Any, Final, NoReturn

from oakum.errors import Cancelled, SoftTimeout, TaskInterrupt
from oakum.host.process import INTERRUPT, LOST_CHANNEL, SHOW_STACK, note_only
from oakum.host.tree import private
from oakum.model.ids import id_text
from oakum.model.outcome import Failed, Outcome, OverBudget, Usage
from oakum.model.progress import Progress
from oakum.run import wire
from oakum.run.app import Oakum
from oakum.run.capture import install
from oakum.run.channel import Channel
from oakum.run.context import Context, enter
from oakum.run.execute import call, forget, outcome_of, run, text_of, where
from oakum.run.gauge import RETAINED_BOUND, Gauge
from oakum.run.line import Line
from oakum.run.page import CANCEL, TIMEOUT, Page
from oakum.run.tail import Tail
from oakum.run.task import Task
from oakum.units import format_size

PROGRESS_EVERY_S: Final = 0.25

AnyTask = Task[Any, Any, Any]


class Child:
    """One child process. The `number` of a job is its place in the order in which this child was handed jobs."""

    def __init__(self, app: Oakum, inbox: Channel, line: Channel, page: Page) -> None:
        self.app, self.inbox, self.page = app, inbox, page
        self.line = Line(line)
        self.tail = Tail()
        self.gauge: Gauge
        self._running = 0
        self._said = 0.0
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def live(self) -> NoReturn:
        """The whole life of a child."""
        # Stacks go to the plain stderr: on a crash, and when the meter asks for one before it kills.
        faulthandler.enable(2, all_threads=False)
        faulthandler.register(SHOW_STACK, 2, all_threads=True, chain=False)
        random.seed()
        install(self.tail)
        self.app.desk.line = self.line
        signal.signal(INTERRUPT, self._interrupted)
        note_only(signal.SIGTERM, signal.SIGINT)  # meant for all of a service at once: the supervisor decides
        for hook in self.app.child_start_hooks:
            hook()
        gc.collect()
        self.gauge = Gauge()
        mine = private(os.getpid())
        shared = 0 if mine is None else max(0, self.gauge.rest.resident - mine)
        self.send(wire.Ready(os.getpid(), self.gauge.rest.resident, shared, self.gauge.ring1))
        while self._turn():
            pass
        for hook in self.app.child_stop_hooks:
            hook()
        os._exit(0)

    def _turn(self) -> bool:
        """One message; false when it was the last."""
        packet = self.inbox.receive()
        if not packet:
            return False  # the supervisor is gone
        message = wire.decode_to_child(packet)
        if isinstance(message, wire.Hand):
            task = self.app.tasks.get(message.task)
            if task is not None and task.spec.is_async:
                from oakum.run.loop import session

                return session(self, message, task)
            self._run(message, task)
        return not isinstance(message, wire.Stop)

    def _run(self, hand: wire.Hand, task: AnyTask | None) -> None:
        """One job of a sync task, from the limit to the answer."""
        declined = self.gauge.arm(hand.limit, hand.headroom)
        if declined:
            self.send(wire.Declined(hand.number, declined))
            return
        started_ms = int(time.time() * 1000)
        started_ns = time.monotonic_ns()
        self.page.start(hand.number, started_ns, self.gauge.rest.resident)
        spoiled = ""
        try:
            outcome = self._call(hand, task, started_ns)
        except MemoryError as error:
            self.gauge.disarm()  # before anything else
            outcome = self.over_budget(error, task, hand)
            spoiled = "a MemoryError leaves the heap in pieces"
        except TaskInterrupt as error:  # it came just after the task had returned
            outcome = outcome_of(error, task, hand.timeout_s)
        duration_us = (time.monotonic_ns() - started_ns) // 1000
        self.page.finish(hand.number)
        peak, retained = self.gauge.finish()
        os.fchdir(self._home)
        self.answer(hand, outcome, Usage(started_ms, duration_us, peak, self.gauge.rest.resident, retained), spoiled)

    def _call(self, hand: wire.Hand, task: AnyTask | None, started_ns: int) -> Outcome:
        if task is None:
            return Failed("oakum.errors.UnknownTask", f"this child's application has no task {hand.task!r}", "", -1)
        context = self.context(hand, started_ns)
        enter(context)
        self._running = hand.number
        try:
            return run(
                task,
                lambda: call(task, hand.payload, context, self.app.middlewares),
                hand.timeout_s,
                self.app.max_result,
            )
        finally:
            self._running = 0

    def context(self, hand: wire.Hand, started_ns: int) -> Context:
        """What `current()` answers in a job."""
        return Context(
            id_text(hand.id),
            hand.task,
            hand.queue,
            hand.tags,
            hand.attempt,
            hand.token,
            started_ns / 1e9 + hand.timeout_s if hand.timeout_s else None,
            lambda progress: self._report(hand.number, progress),
            lambda: self.page.wanted(hand.number) == CANCEL,
            lambda: self.gauge.remaining(hand.limit),
        )

    def over_budget(self, error: MemoryError, task: AnyTask | None, hand: wire.Hand) -> Outcome:
        """The outcome of a MemoryError: over budget where a limit was in force, a plain failure else."""
        if not hand.limit or task is None:
            return outcome_of(error, task, hand.timeout_s)
        place = where(error.__traceback__, task.function.__code__.co_filename)
        text = text_of(error)
        forget(error)
        return OverBudget(self.gauge.peak(), hand.limit, place, 1, text)

    def answer(self, hand: wire.Hand, outcome: Outcome, usage: Usage, spoiled: str) -> None:
        """Answers for a job."""
        if not spoiled and self.gauge.retained > RETAINED_BOUND:
            spoiled = f"its jobs left {format_size(self.gauge.retained)} behind"
        follow = self.line.take_following(outcome)
        self.send(wire.Done(hand.number, outcome, usage, usage.resting, spoiled, self.tail.take(), follow))

    def send(self, message: wire.FromChild) -> None:
        """Sends to the supervisor, or ends: a child that cannot be heard is of no use."""
        try:
            self.inbox.send(wire.encode(message))
        except OSError:
            os._exit(LOST_CHANNEL)

    def _report(self, number: int, progress: Progress) -> None:
        now = time.monotonic()
        last = progress.total > 0 and progress.done >= progress.total
        if last or now - self._said >= PROGRESS_EVERY_S:
            self._said = now
            stamped = Progress(progress.done, progress.total, progress.note, int(time.time() * 1000))
            self.send(wire.Said(number, stamped))

    def _interrupted(self, _signum: int, _frame: FrameType | None) -> None:
        """The supervisor wants the running job to end. A signal that comes late finds another number and does nothing."""
        number = self._running
        why = self.page.wanted(number) if number else 0
        if why == TIMEOUT:
            raise SoftTimeout("the job's timeout has passed")
        if why == CANCEL:
            raise Cancelled("the job was cancelled")
