"""What each troublemaker tried, what became of it, and whether that is what was promised."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from oakum.model.job import State
from oakum.model.outcome import Completed, Lost, OverBudget, TimedOut, Usage, decode_record
from oakum.store.base import Story
from oakum.units import format_duration, format_size


class Line(NamedTuple):
    """A row of the last table. `kept`: whether it went as promised."""

    who: str
    tried: str
    became: str
    kept: bool


def judge(stories: dict[str, list[Story]]) -> list[Line]:
    """A line for each troublemaker, from the stories of its jobs."""
    return [
        _hoard(stories["hoard"][0]),
        _leak(stories["leak"]),
        _hang(stories["hang"][0]),
        _vanish(stories["vanish"][0]),
        _stumble(stories["stumble"][0]),
        _refresh(stories["refresh"]),
    ]


def _hoard(story: Story) -> Line:
    outcome = _last(story)
    if not isinstance(outcome, OverBudget):
        return Line("hoard", "to take 2 GiB", _plainly(story), False)
    path, _, rest = outcome.where.partition(":")
    place = f"{os.path.basename(path)}:{rest.partition(' ')[0]}"
    share = f"{format_size(outcome.peak)} of {format_size(outcome.limit)}"
    became = f"stopped at {share} by ring {outcome.ring}, in {place}; not run again"
    return Line("hoard", "to take 2 GiB", became, story.job.state is State.QUARANTINED)


def _leak(stories: Sequence[Story]) -> Line:
    done = sum(story.job.state is State.COMPLETED for story in stories)
    kept = sum(_usage(story).retained or 0 for story in stories)
    became = f"all {done} completed; the {format_size(kept)} they kept was measured, and went with replaced children"
    return Line("leak", f"to keep 8 MiB, {len(stories)} times", became, done == len(stories))


def _hang(story: Story) -> Line:
    outcome = _last(story)
    became = (
        f"stopped after {format_duration(_usage(story).duration_us / 1e6)}"
        if isinstance(outcome, TimedOut)
        else _plainly(story)
    )
    return Line("hang", "to sleep for an hour", became, isinstance(outcome, TimedOut))


def _vanish(story: Story) -> Line:
    crashes = sum(isinstance(decode_record(start.record).outcome, Lost) for start in story.starts)
    kept = story.job.state is State.QUARANTINED and crashes == 3
    return Line(
        "vanish",
        "to end its process",
        f"charged {crashes} crashes, each with a new child, then {story.job.state.label}",
        kept,
    )


def _stumble(story: Story) -> Line:
    kept = story.job.state is State.COMPLETED and len(story.starts) == 2
    return Line("stumble", "to fail twice", f"{story.job.state.label} at attempt {len(story.starts) + 1}", kept)


def _refresh(stories: Sequence[Story]) -> Line:
    states = Counter(story.job.state for story in stories)
    late, done = states[State.EXPIRED], states[State.COMPLETED]
    became = f"{late} expired in time, {done} ran; none waits"
    return Line("refresh", f"{len(stories)} runs behind other work", became, late + done == len(stories) and late > 0)


def _last(story: Story) -> object:
    return decode_record(story.job.record).outcome if story.job.record is not None else None


def _usage(story: Story) -> Usage:
    usage = decode_record(story.job.record).usage if story.job.record is not None else None
    return usage if usage is not None else Usage(0, 0, 0)


def _plainly(story: Story) -> str:
    outcome = _last(story)
    return story.job.state.label if isinstance(outcome, Completed | None) else f"{story.job.state.label}: {outcome}"
