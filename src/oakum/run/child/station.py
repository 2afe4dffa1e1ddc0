"""What both ways of running a job share in a child: its application, its lines, its gauge, and the answers it sends."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from oakum.host.process import LOST_CHANNEL
from oakum.model.outcome import Completed, Failed, Outcome, OverBudget, Usage
from oakum.model.progress import Progress
from oakum.run.app import Oakum
from oakum.run.child.gauge import RETAINED_BOUND, Gauge
from oakum.run.child.inbox import Inbox
from oakum.run.child.line import Line
from oakum.run.child.tail import Tail
from oakum.run.context import Context
from oakum.run.execute import forget, outcome_of, text_of, where
from oakum.run.link import wire
from oakum.run.link.channel import Channel
from oakum.run.link.page import CANCEL, Page
from oakum.run.link.stream import Sender
from oakum.run.task import Task
from oakum.units import format_size

PROGRESS_EVERY_S: Final = 0.25

AnyTask = Task[Any, Any, Any]


class Station:
    """A child's equipment. The `number` of a job is its place in the order in which this child was handed jobs."""

    def __init__(self, app: Oakum, inbox: Inbox, answers: Sender, line: Channel, page: Page) -> None:
        self.app, self.inbox, self.page = app, inbox, page
        self.line = Line(line)
        self._answers = answers
        self.tail = Tail()
        self.gauge = Gauge()
        self._pid = os.getpid()
        self._said = 0.0

    def context(self, hand: wire.Hand, started_ns: int) -> Context:
        """What `current()` answers in a job."""
        return Context(
            hand.id,
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

    def end_copy(self, outcome: Outcome) -> None:
        """A process that the job forked, and that came back from the task, ends here as a program would: it is not the child."""
        if os.getpid() != self._pid:
            if isinstance(outcome, Failed):
                os.write(2, outcome.traceback.encode())
            os._exit(_exit_status(outcome))

    def answer(self, hand: wire.Hand, outcome: Outcome, usage: Usage, spoiled: str) -> None:
        """Answers for a job."""
        if not spoiled and self.gauge.retained > RETAINED_BOUND:
            spoiled = f"its jobs left {format_size(self.gauge.retained)} behind"
        follow = self.line.take_following(outcome)
        self.send(wire.Done(hand.number, outcome, usage, usage.resting, spoiled, self.tail.take(), follow))

    def send(self, message: wire.FromChild) -> None:
        """Sends to the supervisor, or ends: a child that cannot be heard is of no use."""
        try:
            self._answers.send(wire.encode(message))
        except OSError:
            os._exit(LOST_CHANNEL)

    def _report(self, number: int, progress: Progress) -> None:
        now = time.monotonic()
        last = progress.total > 0 and progress.done >= progress.total
        if last or now - self._said >= PROGRESS_EVERY_S:
            self._said = now
            stamped = Progress(progress.done, progress.total, progress.note, int(time.time() * 1000))
            self.send(wire.Said(number, stamped))


def _exit_status(outcome: Outcome) -> int:
    if isinstance(outcome, Completed):
        return 0
    if isinstance(outcome, Failed) and outcome.type == "SystemExit":
        code = outcome.message or "0"
        return int(code) & 0xFF if code.isdecimal() else 1
    return 1
