"""What people change of a schedule: its declaration, by the code; a pause and another timing, by an operator. Pure."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from oakum.model.schedule.decide import next_look
from oakum.model.schedule.spec import Course, Entry, Schedule, in_force
from oakum.model.schedule.timing import Timing, latest


class Standing(NamedTuple):
    """A schedule after a change, to be written. `next_ms` None: nothing is to be decided of it."""

    entry: Entry
    course: Course
    next_ms: int | None


def declare(
    name: str, before: Entry | None, course: Course | None, schedule: Schedule, app: str, now_ms: int
) -> Standing:
    """What the code of `app` says, in place of what it said before; an operator's word stays. A new schedule, and one
    with another timing, ticks from now on."""
    if before is None or course is None:
        return _standing(name, Entry(schedule, app), Course(now_ms))
    entry = replace(before, declared=schedule, app=app)
    if entry.schedule.timing != before.schedule.timing:
        course = replace(course, since_ms=max(course.since_ms, now_ms))
    return _standing(name, entry, course)


def pause(name: str, entry: Entry, course: Course) -> Standing:
    """No more ticks until it is resumed."""
    return _standing(name, replace(entry, paused=True), course)


def resume(name: str, entry: Entry, course: Course, now_ms: int) -> Standing:
    """Ticks from now on; those of the pause count as skipped. Changes nothing where it was not paused."""
    if not entry.paused:
        return _standing(name, entry, course)
    _, count = latest(in_force(entry, course).timing, course.since_ms, now_ms, 1)
    skipped = {**course.skipped, "paused": course.skipped.get("paused", 0) + count} if count else course.skipped
    course = replace(course, since_ms=max(course.since_ms, now_ms), skipped=skipped)
    return _standing(name, replace(entry, paused=False), course)


def retime(name: str, entry: Entry, course: Course, timing: Timing | None, now_ms: int) -> Standing:
    """An operator's timing instead of the code's, from now on; None gives back to the code."""
    return _standing(name, replace(entry, timing=timing), replace(course, since_ms=max(course.since_ms, now_ms)))


def _standing(name: str, entry: Entry, course: Course) -> Standing:
    return Standing(entry, course, next_look(name, entry, course))
