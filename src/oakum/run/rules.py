"""What `app.queue(...)`, `task(limit=, rate=)` and `Oakum(max_store=)` take, read once into rules and written back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypedDict, get_args

from msgspec.structs import replace

from oakum.errors import UsageError
from oakum.model.bounds import LARGEST_RATE, NO_RULES, OnFull, Rate, Rules
from oakum.run.names import check_known
from oakum.store.base import Store
from oakum.units import Duration, Size, format_size, parse_duration, parse_size

DEFAULT_BLOCK_S: Final = 60.0
LARGEST_COUNT: Final = 1 << 40

_RATE: Final = re.compile(r"\s*(\d{1,9})\s*/\s*(\d.*|[a-z]+)", re.ASCII | re.IGNORECASE)


class RuleOptions(TypedDict, total=False):
    """What a queue's rules are made of; each is explained at `Oakum.queue`. None: no bound of that kind."""

    max_jobs: int | None
    max_bytes: Size | None
    on_full: OnFull
    limit: int | None
    rate: str | Rate | None
    key_limit: int
    key_rate: str | Rate | None


class TaskRuleOptions(TypedDict, total=False):
    """The rules that a task can have; each is explained at `Oakum.task`. None: no such rule."""

    limit: int | None
    rate: str | Rate | None


class QueueOptions(RuleOptions, total=False):
    """What `Oakum.queue` takes beside the name."""

    block_for: Duration


def read_rules(options: RuleOptions | TaskRuleOptions, where: str, before: Rules = NO_RULES) -> Rules:
    """The rules `before` with what `options` say instead. Raises UsageError with the one that is wrong."""
    given: dict[str, object] = {}
    for name, value in options.items():
        what = f"{where}: {name}"
        if name in ("max_jobs", "limit", "key_limit"):
            given[name] = _count(value, what, may_be_none=name != "key_limit")
        elif name in ("rate", "key_rate"):
            given[name] = read_rate(value, what)
        elif name == "max_bytes":
            given[name] = None if value is None else _size(value, what)
        elif name == "on_full":
            given[name] = _on_full(value, what)
    return replace(before, **given)


def read_queue(name: str, options: QueueOptions) -> tuple[Rules, float | None]:
    """The options of `Oakum.queue`: its rules, and for how many seconds callers wait there, None where nothing is said."""
    where = f"queue {name}"
    check_known(options, QueueOptions, where)
    block_s = None
    if "block_for" in options:
        if options.get("on_full", "block") != "block":
            raise UsageError(f"{where}: nobody waits with on_full={options['on_full']!r}; leave block_for out")
        block_s = parse_duration(options["block_for"], name=f"{where}: block_for", zero=True)
    return read_rules(options, where), block_s


def read_rate(value: object, name: str) -> Rate | None:
    """A rate like "100/1m" or "10/s". Raises UsageError, naming `name`, for anything else."""
    if value is None:
        return None
    if isinstance(value, Rate):
        count, period_ms = value.count, value.period_ms
    else:
        count, period_ms = _parse_rate(value, name)
    if not 0 < count <= LARGEST_RATE or period_ms < 1:
        raise UsageError(
            f"{name}: {value!r} is not a rate: 1 to {LARGEST_RATE:,} starts in a period of 1 ms or more, like '100/1m'"
        )
    return Rate(count, period_ms)


def _parse_rate(value: object, name: str) -> tuple[int, int]:
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None:
            raise UsageError("no count and period")
        period = match[2] if match[2][0].isdigit() else f"1{match[2]}"
        return int(match[1]), round(parse_duration(period, zero=True) * 1000)
    except UsageError:
        raise UsageError(
            f"{name}: {value!r} is not a rate; write so many starts in a period, like '100/1m' or '10/s'"
        ) from None


def write_rate(rate: Rate) -> str:
    """A rate as `read_rate` reads it."""
    for unit, size_ms in _UNITS:
        if rate.period_ms % size_ms == 0:
            return f"{rate.count}/{rate.period_ms // size_ms}{unit}"
    return f"{rate.count}/{rate.period_ms}ms"


def too_low(where: str, rules: Rules, jobs: int, size: int) -> str:
    """One line where a bound is below what is there already, "" where it is not."""
    over = []
    if rules.max_jobs is not None and jobs > rules.max_jobs:
        over.append(f"max_jobs={rules.max_jobs:,} is below the {jobs:,} jobs")
    if rules.max_bytes is not None and size > rules.max_bytes:
        over.append(f"max_bytes={format_size(rules.max_bytes)} is below the {format_size(size)}")
    if not over:
        return ""
    return f"{where}: {' and '.join(over)} that it holds already: {_UNTIL_THEN[rules.on_full]}"


def overfull(store: Store, queues: Mapping[str, Rules]) -> Iterator[str]:
    """One line for each queue whose bound, as declared, is below what it holds."""
    if not any(rules.max_jobs is not None or rules.max_bytes is not None for rules in queues.values()):
        return
    living = [count for count in store.counts() if not count.state.terminal and count.queue in queues]
    for name, rules in queues.items():
        here = [count for count in living if count.queue == name]
        line = too_low(f"queue {name}", rules, sum(each.jobs for each in here), sum(each.bytes for each in here))
        if line:
            yield line


def _size(value: object, name: str) -> int:
    return parse_size(value if isinstance(value, (int, str)) else 0, name=name)


def _on_full(value: object, name: str) -> object:
    if value not in get_args(OnFull):
        raise UsageError(f"{name}: {value!r} is none; there are {', '.join(get_args(OnFull))}")
    return value


def _count(value: object, name: str, *, may_be_none: bool) -> int | None:
    if value is None and may_be_none:
        return None
    if type(value) is not int or not 0 < value <= LARGEST_COUNT:
        raise UsageError(f"{name}: {value!r} is not a count of at least 1")
    return value


_UNITS: Final[tuple[tuple[str, int], ...]] = (
    ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
)  # fmt: skip

_UNTIL_THEN: Final[dict[OnFull, str]] = {
    "block": "it takes no more until it holds less",
    "reject": "it takes no more until it holds less",
    "drop_oldest": "the oldest are dropped when the next one comes",
    "drop_newest": "new ones are dropped until it holds less",
}
