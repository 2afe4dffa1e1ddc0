"""What this worker offers to take while it has nothing to do, and what it is given so."""

from __future__ import annotations

from collections.abc import Sequence

from oakum.model.job import Claimed
from oakum.store.base import Instant, OfferStore, Store, Want


class Offers:
    """One offer at a time, each with a number of its own: `turn`. Nothing, where the store knows no offers.

    `stands`: an offer may be in the store. Only then does word of a job count: one that comes after the job was found by
    a look, or after the store was asked for it, names a turn that is over.
    """

    def __init__(self, store: Store) -> None:
        self._store = store if isinstance(store, OfferStore) else None
        self.turn = 1
        self.stands = False

    def leave(self, want: Want, now: Instant) -> None:
        """Offers to take what `want` says. Raises StoreError; the offer may stand even then."""
        if self._store is not None and not self.stands:
            self.stands = True
            self._store.offer(want, now)

    def end(self) -> None:
        """The offer was answered, or is withdrawn: word of it counts no more."""
        if self.stands:
            self.turn, self.stands = self.turn + 1, False

    def hear(self) -> tuple[Sequence[Claimed], bool]:
        """What the bell has brought: jobs that were given, and whether there may be more to look for."""
        if self._store is None:
            return [], True
        jobs, look = [], False
        for given in self._store.given():
            if given is not None and self.stands and given.turn == self.turn:
                jobs.append(given.job)
                self.end()
            else:
                look = True
        return jobs, look

    def withdraw(self, holder: int) -> Sequence[Claimed]:
        """Takes the offer back; what was given under it. Raises StoreError; then it may stand."""
        if self._store is None or not self.stands:
            return []
        jobs = self._store.withdraw(holder, self.turn)
        self.end()
        return jobs
