"""What makes a job the only one of its kind: `unique`, `debounce` and `throttle`, read once and resolved for each call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from oakum.errors import UsageError
from oakum.model.job import UNFINISHED, WAITING, State
from oakum.model.job import Unique as UniqueKey
from oakum.units import Duration, parse_duration

States = Literal["waiting", "unfinished", "any"]
OnConflict = Literal["keep", "replace", "reject"]

AT_MOST: Final = 10  # times the delay of a debounce, where nothing is said
_STATES: Final[dict[str, tuple[State, ...]]] = {"waiting": WAITING, "unfinished": UNFINISHED, "any": tuple(State)}
_CONFLICTS: Final = ("keep", "replace", "reject")


@dataclass(frozen=True, slots=True)
class Unique:
    """Which jobs of a task count as the same, and what becomes of a second one.

    `args`: those that agree in these arguments, by name; `key`: those that are given the same key; neither: all that
    agree in all arguments. `states`: only a job that stands there is in the way: "waiting", "unfinished" (waiting or running)
    or "any", or a list of states by their words. `period`: only one that was stored no longer ago than this. `on_conflict`:
    "keep", the new call stands behind the job that is there; "replace", that job takes the new call's arguments if it has
    not started; "reject", DuplicateJob is raised.
    """

    args: Sequence[str] | None = None
    key: str | None = None
    states: States | Sequence[str] | None = None
    period: Duration | None = None
    on_conflict: OnConflict = "keep"


@dataclass(frozen=True, slots=True)
class Debounce:
    """One job for a burst of calls: it starts `delay` after the last of them, with that one's arguments, and no later than
    `at_most` after the first (ten times the delay, if nothing is said)."""

    delay: Duration
    at_most: Duration | None = None


@dataclass(frozen=True, slots=True)
class Sole:
    """The three, read: `args` None for all of them, () for none; `rule` holds all but the key, which each call has."""

    args: tuple[str, ...] | None
    key: str | None
    rule: UniqueKey
    delay_ms: int = 0


def read_sole(
    unique: Literal["task", "args"] | Unique | None, debounce: Duration | Debounce | None, throttle: Duration | None
) -> Sole | None:
    """Reads the three options of `Task.using`. Raises UsageError for what makes no sense."""
    if debounce is not None and throttle is not None:
        raise UsageError("using: debounce starts after the last call, throttle at the first; give one of them")
    if unique is None and debounce is None and throttle is None:
        return None
    scope = _scope(unique)
    if debounce is None and throttle is None:
        return Sole(_names(scope.args), scope.key, _rule(scope))
    if (scope.states, scope.period, scope.on_conflict) != (None, None, "keep"):
        raise UsageError(
            "using: with debounce or throttle, unique says only which jobs are the same; leave states, period and"
            " on_conflict out"
        )
    if throttle is not None:
        period_ms = _milliseconds(throttle, "throttle")
        return Sole(_names(scope.args), scope.key, UniqueKey(b"", "keep", tuple(State), period_ms))
    delay_ms, latest_ms = _debounce(debounce)
    return Sole(_names(scope.args), scope.key, UniqueKey(b"", "debounce", WAITING, None, latest_ms), delay_ms)


def _scope(unique: Literal["task", "args"] | Unique | None) -> Unique:
    if unique is None or unique == "args":
        return Unique()
    if unique == "task":
        return Unique(args=())
    if not isinstance(unique, Unique):
        raise UsageError(
            f"unique: {unique!r} is none; write unique='args' (one job with these arguments), unique='task' or Unique(...)"
        )
    if unique.args is not None and unique.key is not None:
        raise UsageError("unique: args and key both say which jobs are the same; give one of them")
    if unique.on_conflict not in _CONFLICTS:
        raise UsageError(f"unique: on_conflict={unique.on_conflict!r} is none; there are {', '.join(_CONFLICTS)}")
    return unique


def _names(args: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(args, str):
        raise UsageError(f"unique: args={args!r} is one text; write a list of names, like args=({args!r},)")
    return None if args is None else tuple(args)


def _rule(scope: Unique) -> UniqueKey:
    default = "waiting" if scope.on_conflict == "replace" else "unfinished"
    period_ms = None if scope.period is None else _milliseconds(scope.period, "unique: period")
    return UniqueKey(b"", scope.on_conflict, _states(default if scope.states is None else scope.states), period_ms)


def _states(value: str | Sequence[str]) -> tuple[State, ...]:
    if isinstance(value, str):
        if value in _STATES:
            return _STATES[value]
        value = [value]
    known = {state.label: state for state in State}
    for word in value:
        if word not in known:
            raise UsageError(f"unique: states={word!r} is none; there are {', '.join((*_STATES, *known))}")
    if not value:
        raise UsageError("unique: states=() leaves no job that could be in the way; name at least one")
    return tuple(known[word] for word in value)


def _debounce(value: Duration | Debounce | None) -> tuple[int, int]:
    """The delay and the longest one, in milliseconds."""
    whole = value if isinstance(value, Debounce) else Debounce(value if value is not None else "")
    delay_ms = _milliseconds(whole.delay, "debounce")
    if whole.at_most is None:
        return delay_ms, AT_MOST * delay_ms
    latest_ms = _milliseconds(whole.at_most, "debounce: at_most")
    if latest_ms < delay_ms:
        raise UsageError(f"debounce: at_most={whole.at_most!r} is shorter than its delay of {whole.delay!r}")
    return delay_ms, latest_ms


def _milliseconds(value: Duration, name: str) -> int:
    return max(1, round(parse_duration(value, name=name) * 1000))
