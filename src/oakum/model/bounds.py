"""What a queue or a task may hold and how fast it may start jobs: the rules, and the arithmetic of a rate. Pure."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

OnFull = Literal["block", "reject", "drop_oldest", "drop_newest"]
RuleKind = Literal["queue", "task", "store"]
KINDS: Final[tuple[RuleKind, ...]] = ("queue", "task", "store")

LARGEST_RATE: Final = 1_000_000  # starts in one period


class Rate(Struct, frozen=True, array_like=True, gc=False):
    """At most `count` starts in any `period_ms`, all of them at once if they come at once."""

    count: int
    period_ms: int


class Rules(Struct, frozen=True, array_like=True):
    """The bounds of one queue, of one task, or of the whole store. None: no bound of that kind.

    A queue has all of them. `max_jobs` and `max_bytes` (of payload) count whatever has not ended; `on_full` says what
    happens there. `limit` is how many of its jobs run at once over all workers, `rate` how many start in a period.
    `key_limit` and `key_rate` are the same for each key of a queue. A task has `limit` and `rate`, the store
    `max_bytes`, there of everything it keeps.
    """

    max_jobs: int | None = None
    max_bytes: int | None = None
    on_full: OnFull = "block"
    limit: int | None = None
    rate: Rate | None = None
    key_limit: int = 1
    key_rate: Rate | None = None


NO_RULES: Final = Rules()


class Ruled(Struct, frozen=True):
    """What holds for one queue or task: what the code declares, and what an operator said instead, if anything."""

    declared: Rules = NO_RULES
    override: Rules | None = None

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self.declared if self.override is None else self.override


def may_start(rate: Rate, arrival_ms: float, now_ms: int) -> int:
    """How many may start now, of a rate whose theoretical arrival time is `arrival_ms` (0: it never started any).

    The generic cell rate algorithm (ITU-T I.371): one number of state for each rate.
    """
    step = rate.period_ms / rate.count
    return max(0, min(rate.count, int((now_ms + rate.period_ms - max(arrival_ms, now_ms)) / step + 1e-9)))


def after_starts(rate: Rate, arrival_ms: float, now_ms: int, starts: int) -> float:
    """The theoretical arrival time after `starts` more."""
    return max(arrival_ms, now_ms) + starts * rate.period_ms / rate.count


def opens_ms(rate: Rate, arrival_ms: float) -> float:
    """The wall milliseconds from which the next one may start."""
    return arrival_ms - rate.period_ms + rate.period_ms / rate.count
