"""A schedule in words, for the people who read a worker's notes and the command line. Pure."""

from __future__ import annotations

from oakum.model.schedule.spec import Course, Entry, Schedule, stretched_ms
from oakum.units import format_duration


def interval_ms(schedule: Schedule, ms: int) -> int | None:
    """From the next tick after `ms` to the one after it, None where there are not two more."""
    tick = schedule.after(ms)
    following = None if tick is None else schedule.after(tick)
    return None if tick is None or following is None else following - tick


def warning(name: str, entry: Entry, course: Course) -> str:
    """What is wrong with the pace of a schedule, or was until it adapted; "" where nothing is, or nobody knows."""
    schedule, safe = entry.schedule, course.safe_ms
    interval = interval_ms(schedule, course.since_ms)
    if safe is None or interval is None or interval >= safe:
        return ""
    pace, least = format_duration(interval / 1000), format_duration(safe / 1000)
    if stretched_ms(schedule, course) is not None:
        return f"schedule {name}: stretched from {pace} to {least}, as its jobs take longer than that"
    return f"schedule {name}: ticks every {pace}, but every {least} is the fastest that is safe with the present slots"
