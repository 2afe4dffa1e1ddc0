"""What `task(...)` and `using(...)` take, read once into numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from oakum.errors import UsageError
from oakum.model.job import Overrides
from oakum.model.retry import NEVER, RetryRule
from oakum.units import Duration, Size, parse_duration, parse_size

Unique = Literal["task", "args"]

PRIORITIES: Final = range(-32768, 32768)
LONGEST_NAME: Final = 200
MOST_TAGS: Final = 16


@dataclass(frozen=True, slots=True)
class Retry:
    """`count` further tries; the first `delay` after the failure, each `factor` times later, at most `max_delay`.

    `jitter` spreads each delay evenly over `[1 - jitter, 1 + jitter]` times itself.
    """

    count: int
    delay: Duration = "1s"
    factor: float = 2.0
    max_delay: Duration = "1h"
    jitter: float = 0.1

    def rule(self) -> RetryRule:
        """The same in seconds. Raises UsageError for numbers that make no sense."""
        if self.count < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise UsageError(f"retries: {self!r} needs count >= 0, factor >= 1 and jitter from 0 to 1")
        delay = parse_duration(self.delay, name="retry delay", zero=True)
        return RetryRule(self.count, delay, self.factor, parse_duration(self.max_delay, name="max_delay"), self.jitter)


Retries = int | Retry | Mapping[type[BaseException], int | Retry]


def read_retries(value: Retries) -> tuple[tuple[type[BaseException], ...], tuple[RetryRule, ...]]:
    """The exception types that have a rule of their own, and the rules in that order; one more for all others."""
    if isinstance(value, Mapping):
        named = {kind: rule for kind, rule in value.items() if kind is not Exception}
        rules = (*(_rule(rule) for rule in named.values()), _rule(value.get(Exception, 0)))
        return tuple(named), rules
    return (), (_rule(value),)


def _rule(value: int | Retry) -> RetryRule:
    if isinstance(value, Retry):
        return value.rule()
    if type(value) is not int or value < 0:
        raise UsageError(f"retries: {value!r} is not a count; write retries=3 or retries=Retry(3, delay='10s')")
    return NEVER if value == 0 else RetryRule(value)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What `using(...)` changed, resolved: times in milliseconds from the call, None where nothing was said."""

    queue: str | None = None
    priority: int | None = None
    delay_ms: int = 0
    run_at_ms: int = 0
    expires_ms: int | None = None
    unique: Unique | None = None
    idempotency: bytes | None = None
    tags: tuple[str, ...] = ()
    overrides: Overrides | None = None
    on_success: bool = False


def read_call(
    queue: str | None,
    priority: int | None,
    delay: Duration | None,
    run_at: datetime | None,
    expires: Duration | None,
    timeout: Duration | None,
    memory: Size | None,
    memory_max: Size | None,
    retries: int | None,
    result_ttl: Duration | None,
    unique: Unique | None,
    idempotency_key: str | None,
    tags: Sequence[str],
    on_success: bool,
) -> CallOptions:
    """Reads the keyword arguments of `Task.using`. Raises UsageError with the one that is wrong."""
    if delay is not None and run_at is not None:
        raise UsageError("using: delay and run_at both say when; give one of them")
    overrides = Overrides(
        timeout_s=None if timeout is None else parse_duration(timeout, name="timeout", zero=True),
        memory=None if memory is None else parse_size(memory, name="memory"),
        memory_max=None if memory_max is None else parse_size(memory_max, name="memory_max"),
        retries=None if retries is None else _rule(retries).count,
        result_ttl_s=None if result_ttl is None else parse_duration(result_ttl, name="result_ttl", zero=True),
    )
    return CallOptions(
        queue=None if queue is None else check_name(queue, "queue"),
        priority=None if priority is None else check_priority(priority),
        delay_ms=0 if delay is None else round(parse_duration(delay, name="delay", zero=True) * 1000),
        run_at_ms=0 if run_at is None else _moment(run_at),
        expires_ms=None if expires is None else round(parse_duration(expires, name="expires") * 1000),
        unique=_unique(unique),
        idempotency=None if idempotency_key is None else digest("key", idempotency_key.encode()),
        tags=_tags(tags),
        overrides=None if overrides == Overrides() else overrides,
        on_success=on_success,
    )


def digest(kind: str, *parts: bytes) -> bytes:
    """16 bytes that stand for `parts`, each taken with its length so that no two lists share them by accident."""
    import hashlib  # here: it brings all of OpenSSL, and few tasks need it

    state = hashlib.blake2b(digest_size=16, person=kind.encode()[:16])
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def check_name(name: str, what: str) -> str:
    """A queue's, task's or tag's name: printable, without spaces at the ends, at most 200 characters."""
    if not name or len(name) > LONGEST_NAME or name != name.strip() or not name.isprintable():
        raise UsageError(f"{what}: {name!r} is not a name; use 1 to {LONGEST_NAME} printable characters")
    return name


def check_priority(priority: int) -> int:
    """A priority: higher runs sooner."""
    if isinstance(priority, bool) or priority not in PRIORITIES:
        raise UsageError(f"priority: {priority!r} is not a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}")
    return priority


def _moment(run_at: datetime) -> int:
    if run_at.tzinfo is None:
        raise UsageError(f"run_at: {run_at!r} has no time zone; write datetime.now(UTC) + timedelta(...)")
    return max(1, round(run_at.timestamp() * 1000))


def _unique(value: Unique | None) -> Unique | None:
    if value not in (None, "task", "args"):
        raise UsageError(
            f"unique: {value!r} is none; write unique='args' (one job with these arguments) or unique='task'"
        )
    return value


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or len(tags) > MOST_TAGS:
        raise UsageError(f"tags: {tags!r} is not a list of at most {MOST_TAGS} names")
    return tuple(check_name(tag, "tag") for tag in tags)
