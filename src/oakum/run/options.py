"""What `task(...)` and `using(...)` take, declared once, and read once into numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from oakum.errors import UsageError
from oakum.model.bounds import Rate, Rules
from oakum.model.job import DEFAULT_QUEUE, Overrides
from oakum.model.retry import NEVER, RetryRule
from oakum.model.task import DEFAULT_CRASH_BUDGET, DEFAULT_HEADROOM, DEFAULT_RESULT_TTL_S, DEFAULT_TIMEOUT_S, TaskSpec
from oakum.run.names import check_known, check_name
from oakum.run.rules import read_rules
from oakum.run.signature import signature_of
from oakum.run.unique import Debounce, Sole, Unique, read_sole
from oakum.units import Duration, Size, parse_duration, parse_size

if TYPE_CHECKING:
    from oakum.run.queue import Queue

PRIORITIES: Final = range(-32768, 32768)
MOST_TAGS: Final = 16
DEFAULT_CONCURRENCY: Final = 16


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


class TaskOptions(TypedDict, total=False):
    """What `Oakum.task` takes beside the function; each is explained there."""

    name: str
    queue: str | Queue
    priority: int
    memory: Size
    memory_max: Size
    headroom: Size
    timeout: Duration | None
    kill_after: Duration
    retries: Retries
    crashes: int
    expires: Duration
    result_ttl: Duration
    concurrency: int
    limit: int | None
    rate: str | Rate | None
    raises: Sequence[type[BaseException]]
    aliases: Sequence[str]


class CallOptions(TypedDict, total=False):
    """What `Task.using` takes; each is explained there."""

    queue: str | Queue
    key: str
    priority: int
    delay: Duration
    run_at: datetime
    expires: Duration
    timeout: Duration
    memory: Size
    memory_max: Size
    retries: int
    result_ttl: Duration
    unique: Literal["task", "args"] | Unique
    debounce: Duration | Debounce
    throttle: Duration
    block_for: Duration
    idempotency_key: str
    tags: Sequence[str]
    on_success: bool
    connection: object


@dataclass(frozen=True, slots=True)
class Declared:
    """A task's options, read: what the worker must know, and what stays with the caller and the child."""

    spec: TaskSpec
    exceptions: tuple[type[BaseException], ...]
    raises: tuple[type[BaseException], ...]
    expires_ms: int | None
    rules: Rules


@dataclass(frozen=True, slots=True)
class Call:
    """What `using(...)` changed, read: times in milliseconds from the call, None where nothing was said."""

    queue: str | None = None
    key: str | None = None
    priority: int | None = None
    delay_ms: int = 0
    run_at_ms: int = 0
    expires_ms: int | None = None
    sole: Sole | None = None
    block_s: float | None = None
    idempotency: bytes | None = None
    tags: tuple[str, ...] = ()
    overrides: Overrides | None = None
    on_success: bool = False
    connection: object | None = None


def read_task(function: Callable[..., Any], default_name: str, options: TaskOptions) -> Declared:
    """Reads the options of `Oakum.task`. Raises UsageError with the one that is wrong."""
    name = check_name(options.get("name", default_name), "task name")
    check_known(options, TaskOptions, f"task {name}")
    exceptions, rules = _read_retries(options.get("retries", 0))
    memory, memory_max = _size(options, "memory"), _size(options, "memory_max")
    if memory is not None and memory_max is not None and memory_max < memory:
        raise UsageError(f"task {name}: memory_max={options['memory_max']!r} is less than memory={options['memory']!r}")
    crashes, concurrency = options.get("crashes", DEFAULT_CRASH_BUDGET), options.get("concurrency", DEFAULT_CONCURRENCY)
    if crashes < 1 or concurrency < 1:
        raise UsageError(f"task {name}: crashes and concurrency are counts of at least 1")
    timeout = options.get("timeout", DEFAULT_TIMEOUT_S)
    spec = TaskSpec(
        name=name,
        queue=check_queue(options.get("queue", DEFAULT_QUEUE)),
        priority=check_priority(options.get("priority", 0)),
        memory=memory,
        memory_max=memory_max,
        headroom=parse_size(options.get("headroom", DEFAULT_HEADROOM), name="headroom"),
        timeout_s=0.0 if timeout is None else parse_duration(timeout, name="timeout"),
        kill_after_s=parse_duration(options.get("kill_after", 1.0), name="kill_after"),
        retry=rules,
        crash_budget=crashes,
        result_ttl_s=parse_duration(options.get("result_ttl", DEFAULT_RESULT_TTL_S), name="result_ttl", zero=True),
        concurrency=concurrency if inspect.iscoroutinefunction(function) else 0,
        aliases=tuple(check_name(alias, "alias") for alias in options.get("aliases", ())),
        signature=str(signature_of(function)),
    )
    limits = read_rules({"limit": options.get("limit"), "rate": options.get("rate")}, f"task {name}")
    return Declared(spec, exceptions, tuple(options.get("raises", ())), _milliseconds(options, "expires"), limits)


def read_call(options: CallOptions) -> Call:
    """Reads the options of `Task.using`. Raises UsageError with the one that is wrong."""
    check_known(options, CallOptions, "using")
    if "delay" in options and "run_at" in options:
        raise UsageError("using: delay and run_at both say when; give one of them")
    if "debounce" in options and ("delay" in options or "run_at" in options):
        raise UsageError("using: debounce says when; leave delay and run_at out")
    sole = read_sole(options.get("unique"), options.get("debounce"), options.get("throttle"))
    overrides = Overrides(
        timeout_s=_seconds(options, "timeout"),
        memory=_size(options, "memory"),
        memory_max=_size(options, "memory_max"),
        retries=_rule(options["retries"]).count if "retries" in options else None,
        result_ttl_s=_seconds(options, "result_ttl"),
    )
    idempotency = options.get("idempotency_key")
    return Call(
        queue=check_queue(options["queue"]) if "queue" in options else None,
        key=check_name(options["key"], "key") if "key" in options else None,
        priority=check_priority(options["priority"]) if "priority" in options else None,
        delay_ms=_milliseconds(options, "delay", zero=True) or (sole.delay_ms if sole is not None else 0),
        run_at_ms=_moment(options["run_at"]) if "run_at" in options else 0,
        expires_ms=_milliseconds(options, "expires"),
        sole=sole,
        block_s=_seconds(options, "block_for"),
        idempotency=None if idempotency is None else digest("key", idempotency.encode()),
        tags=_tags(options.get("tags", ())),
        overrides=None if overrides == Overrides() else overrides,
        on_success=options.get("on_success", False),
        connection=options.get("connection"),
    )


def digest(kind: str, *parts: bytes) -> bytes:
    """16 bytes that stand for `parts`, each taken with its length so that no two lists share them by accident."""
    import hashlib  # here: it brings all of OpenSSL, and few tasks need it

    state = hashlib.blake2b(digest_size=16, person=kind.encode()[:16])
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def check_queue(queue: str | Queue) -> str:
    """A queue's name, given as that or as what `Oakum.queue` made."""
    return check_name(queue if isinstance(queue, str) else queue.name, "queue")


def check_priority(priority: int) -> int:
    """A priority: higher runs sooner."""
    if isinstance(priority, bool) or priority not in PRIORITIES:
        raise UsageError(f"priority: {priority!r} is not a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}")
    return priority


def _read_retries(value: Retries) -> tuple[tuple[type[BaseException], ...], tuple[RetryRule, ...]]:
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


def _size(options: Mapping[str, Any], name: str) -> int | None:
    return parse_size(options[name], name=name) if options.get(name) is not None else None


def _seconds(options: Mapping[str, Any], name: str) -> float | None:
    return parse_duration(options[name], name=name, zero=True) if options.get(name) is not None else None


def _milliseconds(options: Mapping[str, Any], name: str, zero: bool = False) -> int | None:
    if options.get(name) is None:
        return None
    return round(parse_duration(options[name], name=name, zero=zero) * 1000)


def _moment(run_at: datetime) -> int:
    if run_at.tzinfo is None:
        raise UsageError(f"run_at: {run_at!r} has no time zone; write datetime.now(UTC) + timedelta(...)")
    return max(1, round(run_at.timestamp() * 1000))


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or len(tags) > MOST_TAGS:
        raise UsageError(f"tags: {tags!r} is not a list of at most {MOST_TAGS} names")
    return tuple(check_name(tag, "tag") for tag in tags)
