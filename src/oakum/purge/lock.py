"""How long a batch holds its locks: told by the one that deletes, which alone knows when it has them."""

from __future__ import annotations

from oakum.clock import Clock


class LockTime:
    """The time from the moment when a batch took its locks until it gave them back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._until = 0.0
        self.seconds = 0.0

    def taken(self) -> None:
        """The locks are held, or the next statement takes them. Of several calls the first counts."""
        if self._since is None:
            self._since = self._clock.monotonic()

    def given_back(self) -> None:
        """The transaction has ended: `seconds` says how long it held its locks."""
        if self._since is not None:
            self._until = self._clock.monotonic()
            self.seconds = self._until - self._since

    @property
    def free(self) -> float:
        """Seconds since the locks were given back: others have been let in."""
        return self._clock.monotonic() - self._until if self.seconds else 0.0
