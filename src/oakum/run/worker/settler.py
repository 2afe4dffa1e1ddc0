"""What has ended is written down: many starts in one commit, and told to those who listen once it is in the store."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from oakum.errors import DuplicateJob, NotEnqueued, QueueFull, StoreError
from oakum.events import JobEnded, LeaseWasLost
from oakum.model.ids import id_text
from oakum.model.job import Claimed
from oakum.model.lifecycle import Settlement, not_followed, settle
from oakum.model.outcome import Completed, OverBudget, Released, describe
from oakum.run.worker.crew import Crew, Ended
from oakum.run.worker.kid import attempt_of
from oakum.run.worker.ledger import Ledger
from oakum.run.worker.trouble import Trouble
from oakum.store.base import Instant, Store

AT_ONCE: Final = 256  # what is worth a commit by its number
AT_MOST: Final = 1024
WITHIN_S: Final = 0.003

Echo = Callable[[Claimed, bytes], None]


class Settler:
    """Settles what `crew` has laid down. `ended` counts what it has settled, `last` is when, by the monotonic clock."""

    def __init__(self, store: Store, crew: Crew, ledger: Ledger, trouble: Trouble, echo: Echo | None) -> None:
        self.ended, self.last = 0, time.monotonic()
        self._store, self._crew, self._ledger, self._trouble, self._echo = store, crew, ledger, trouble, echo
        self._most = AT_MOST
        self._since = 0.0

    @property
    def is_due(self) -> bool:
        """Whether to pay for a commit now: when there is much to write, when it has waited, or when a child has nothing to do."""
        ended = self._crew.ended
        if not ended:
            self._since = 0.0
            return False
        now = time.monotonic()
        self._since = self._since or now
        return len(ended) >= AT_ONCE or now - self._since >= WITHIN_S or self._crew.fleet.anyone_idle

    def settle(self, holder: int, now: Instant) -> Sequence[Settlement]:
        """Writes what has ended in one commit; what was written. On trouble it is kept for the next time."""
        if self._trouble.pause:
            return ()
        self._since = 0.0
        batch = self._crew.ended[: self._most]
        settlements = [self._judge(each, now.wall_ms) for each in batch]
        try:
            late = self._store.settle(settlements, holder, now)
        except (QueueFull, DuplicateJob) as error:
            self._refused(batch, error)
            return ()
        except StoreError as error:
            self._trouble.meet(error)
            return ()
        self._trouble.text, self._most, self.last = "", AT_MOST, time.monotonic()
        del self._crew.ended[: len(batch)]
        self.ended += len(batch) - len(late)
        for each in batch:
            if not isinstance(each.outcome, Released):
                self._ledger.note(each.job.task, each.outcome, each.usage)
        self._tell(batch, settlements, set(late))
        return settlements

    def _refused(self, batch: list[Ended], error: NotEnqueued) -> None:
        """Nothing was written, since a job that was to follow one of these was refused: that one fails instead.

        Which one it is, ever smaller batches tell.
        """
        if len(batch) > 1:
            self._most = len(batch) // 2
            return
        (each,) = batch
        self._crew.ended[0] = replace(each, outcome=not_followed(error, self._ledger.spec(each.job.task)), follow=())

    def _judge(self, each: Ended, now_ms: int) -> Settlement:
        job, outcome = each.job, each.outcome
        return settle(
            job,
            outcome,
            each.usage,
            self._ledger.spec(job.task),
            now_ms,
            random.random(),
            may_grow=isinstance(outcome, OverBudget) and self._ledger.may_grow(job),
            log=each.log,
            follow=each.follow,
        )

    def _tell(self, batch: list[Ended], settlements: list[Settlement], late: set[int]) -> None:
        """Echo and events, after the fact is in the store."""
        if self._echo is not None:
            for each in batch:
                if each.log:
                    self._echo(each.job, each.log)
        herald = self._crew.herald
        if not herald.listens:
            return
        for place, (each, settlement) in enumerate(zip(batch, settlements, strict=True)):
            if place in late:
                herald.emit(LeaseWasLost(id_text(each.job.id), each.job.task))
            else:
                herald.emit(_event(each, settlement))


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
