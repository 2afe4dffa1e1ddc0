"""When a failed job is tried again: exponential delays with jitter, by exception type."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

LONGEST_DELAY_S: Final = 7 * 86400.0


class RetryRule(Struct, frozen=True):
    """One rule: `count` further tries, the first after `delay_s` seconds, each `factor` times later, up to `max_delay_s`.

    `jitter` spreads a delay evenly over `[1 - jitter, 1 + jitter]` times itself.
    """

    count: int = 0
    delay_s: float = 1.0
    factor: float = 2.0
    max_delay_s: float = 3600.0
    jitter: float = 0.1

    def delay(self, tries: int, luck: float) -> float | None:
        """Seconds until the next try after `tries` spent ones (1 or more), None when there is none.

        `luck` is a uniform number in [0, 1): the caller's die, so that this stays pure.
        """
        if tries > self.count:
            return None
        try:
            grown = self.delay_s * self.factor ** (tries - 1)
        except OverflowError:
            grown = LONGEST_DELAY_S
        plain = min(grown, self.max_delay_s, LONGEST_DELAY_S)
        return max(0.0, plain * (1 + self.jitter * (2 * luck - 1)))


NEVER: Final = RetryRule()
