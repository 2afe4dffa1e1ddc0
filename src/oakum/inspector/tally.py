"""Counts of a store, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from oakum.inspector.views import Tally
from oakum.store.base import Count


def tally_by(what: Literal["queue", "task"], counts: Iterable[Count]) -> dict[str, Tally]:
    """By state, for each queue or each task."""
    jobs: dict[str, Counter[str]] = {}
    for count in counts:
        jobs.setdefault(getattr(count, what), Counter())[count.state.label] += count.jobs
    return {name: Tally(**by_state) for name, by_state in jobs.items()}


def in_words(jobs: int) -> str:
    """So many jobs."""
    return "1 job" if jobs == 1 else f"{jobs:,} jobs"
