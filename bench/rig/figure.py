"""One measured number, what it is held against, and what it should reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should reach; `reached` is asked with the figure and with what it is held against."""

    text: str
    reached: Callable[[float, float], bool]


@dataclass(frozen=True, slots=True)
class Figure:
    """`against` is what the code without an engine did in the same run, where there is such code, unless `note` says else."""

    name: str
    unit: str
    value: float
    against: float | None = None
    goal: Goal | None = None
    note: str = ""


def at_least(bound: float) -> Goal:
    """The figure itself, from below."""
    return Goal(f">= {bound:,.0f}", lambda value, _: value >= bound)


def at_most(bound: float) -> Goal:
    """The figure itself, from above."""
    return Goal(f"<= {bound:,g}", lambda value, _: value <= bound)


def share(least: float) -> Goal:
    """A share of what the other does."""
    return Goal(f">= {least:.0%}", lambda value, against: value >= least * against)


def times(most: float) -> Goal:
    """At most so many times what the other takes."""
    return Goal(f"<= {most:g} times", lambda value, against: value <= most * against)


def above(more: float) -> Goal:
    """At most so much more than the other takes."""
    return Goal(f"<= + {more:g}", lambda value, against: value <= against + more)


def quantile(ordered: list[float], part: float) -> float:
    """The value below which a `part` of the ordered values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
