"""Many callers' jobs in one commit, and what becomes of a commit whose end is not known. For stores with commits to share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from oakum.errors import EnqueueUnknown, NotEnqueued, StoreAway, StoreError
from oakum.model.ids import id_text
from oakum.model.job import NewJob
from oakum.store.base import Instant, Mark


class Undecided(StoreAway):
    """The store failed where the commit may have happened, or not. Doing it again tells."""


class Ticket:
    """One caller's jobs, waiting for whoever commits next."""

    __slots__ = ("done", "error", "jobs", "marks", "now")

    def __init__(self, jobs: Sequence[NewJob], now: Instant) -> None:
        self.jobs, self.now = jobs, now
        self.marks: Sequence[Mark] = ()
        self.done = False
        self.error: Exception | None = None

    def fail(self, error: Exception, cause: Exception | None) -> None:
        """Tells the caller that his jobs are not in, or perhaps not."""
        error.__cause__ = cause
        self.done, self.error = True, error


class GroupCommit:
    """Without a thread: a caller who gets the lock commits for all who wait behind it.

    `write` writes all tickets' jobs in one transaction, and may be called again with the same. It answers each one's
    marks, or why the store refuses that one alone; what it raises instead may be any one's.
    """

    def __init__(self, write: Callable[[Sequence[Ticket]], Sequence[Sequence[Mark] | NotEnqueued]]) -> None:
        self._write = write
        self._waiting: deque[Ticket] = deque()
        self._committing = Lock()

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """See `oakum.store.base.Store.insert`."""
        if not jobs:
            return []
        ticket = Ticket(jobs, now)
        self._waiting.append(ticket)
        with self._committing:
            if not ticket.done:
                tickets = [self._waiting.popleft() for _ in range(len(self._waiting))]
                # Whoever had taken this ticket may have been interrupted: inserting again does no harm.
                self._commit(tickets if ticket in tickets else [*tickets, ticket])
        if ticket.error is not None:
            raise ticket.error
        return ticket.marks

    def before_fork(self) -> None:
        """Lets the commit under way come to its end, and no other begin."""
        self._committing.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Goes on; those who waited are threads of the parent."""
        if child:
            self._waiting.clear()
        self._committing.release()

    def _commit(self, tickets: list[Ticket]) -> None:
        try:
            try:
                self._fulfil(tickets)
            except Undecided:
                self._resolve(tickets)
        except Exception as error:  # noqa: BLE001  # one caller's jobs can't be written: the others' shall not suffer
            if len(tickets) == 1:
                known = isinstance(error, NotEnqueued) or not isinstance(error, StoreError)
                tickets[0].fail(error if known else NotEnqueued(str(error)), None if known else error)
            else:
                for ticket in tickets:
                    self._commit([ticket])

    def _resolve(self, tickets: list[Ticket]) -> None:
        """After a commit of unknown end: to write again finds the jobs that are in, since their ids tell."""
        try:
            self._fulfil(tickets)
        except NotEnqueued:
            raise
        except StoreError as error:
            for ticket in tickets:
                text = id_text(ticket.jobs[0].id)
                unknown = EnqueueUnknown(f"{error}; the job may be in: enqueue it again with the same id {text}", text)
                ticket.fail(unknown, error)

    def _fulfil(self, tickets: list[Ticket]) -> None:
        for ticket, answer in zip(tickets, self._write(tickets), strict=True):
            if isinstance(answer, NotEnqueued):
                ticket.fail(answer, None)
            else:
                ticket.marks, ticket.done = answer, True
