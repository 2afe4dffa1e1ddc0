"""Schedules, as people see and change them: listed, paused, triggered, set to another timing, dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from oakum.clock import Clock
from oakum.errors import StoreError, UsageError
from oakum.inspector.capacity import Planned
from oakum.inspector.views import Ticking
from oakum.model.ids import id_text
from oakum.model.job import NewJob
from oakum.model.schedule.change import Standing, pause, resume, retime
from oakum.model.schedule.decide import extra, next_look
from oakum.model.schedule.spec import Course, Entry, stretched_ms
from oakum.model.schedule.timing import Timing
from oakum.model.schedule.words import interval_ms, warning
from oakum.run.ticker import find, read, rows, written
from oakum.store.base import Instant, Store
from oakum.store.ids import IdSource
from oakum.store.kept import Scheduled

TRIES: Final = 20  # of a change that others get in the way of
MOST_PLANNED: Final = 1000

Change = Callable[[Entry, Course, Instant], Standing]


class ScheduleRow(Struct, frozen=True):
    """One schedule. Times are wall milliseconds, durations seconds; None is unknown or none.

    `state` is ticking, paused or over; `timing` is in force, and not what the code declares where `set_by_hand`. `late`
    of the `fired` ticks were caught up; `skipped` counts the others by reason. `stretched_s` is the interval in force
    where the schedule has adapted, `safe_s` the smallest safe one as last measured.
    """

    name: str
    state: str
    timing: str
    set_by_hand: bool
    interval_s: float | None
    task: str
    queue: str
    overlap: str
    catchup: int
    next_ms: int | None
    fired_ms: int | None
    fired: int
    late: int
    skipped: dict[str, int]
    skipped_ms: int | None
    skipped_why: str | None
    triggered: int
    unfinished: tuple[str, ...]
    jitter_s: float
    start_ms: int | None
    end_ms: int | None
    adapt: bool
    stretched_s: float | None
    safe_s: float | None
    warning: str
    app: str


class Schedules:
    """The schedules of one store. Verbs raise UsageError for a name that is not there, StoreError when the store fails."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._ids = IdSource()

    def all(self) -> Iterator[ScheduleRow]:
        """All of them by name, a page at a time."""
        return (schedule_row(row) for row in rows(self._store))

    def ticking(self) -> Ticking:
        """How many there are, and when the next one ticks."""
        count = resting = 0
        for row in rows(self._store):
            count += 1
            resting += row.next_ms is None
        return Ticking(count, resting, self._store.next_tick())

    def show(self, name: str) -> ScheduleRow:
        """One of them."""
        return schedule_row(self._find(name))

    def pause(self, name: str) -> ScheduleRow:
        """No more ticks until it is resumed."""
        return self._change(name, lambda entry, course, _: pause(name, entry, course))

    def resume(self, name: str) -> ScheduleRow:
        """Ticks again, from now on."""
        return self._change(name, lambda entry, course, now: resume(name, entry, course, now.wall_ms))

    def retime(self, name: str, timing: Timing) -> ScheduleRow:
        """Another timing instead of the code's, until `reset`."""
        return self._change(name, lambda entry, course, now: retime(name, entry, course, timing, now.wall_ms))

    def reset(self, name: str) -> ScheduleRow:
        """Back to what the code declares."""

        def back(entry: Entry, course: Course, now: Instant) -> Standing:
            resumed = resume(name, entry, course, now.wall_ms)
            return retime(name, resumed.entry, resumed.course, None, now.wall_ms)

        return self._change(name, back)

    def trigger(self, name: str) -> str:
        """Makes a job of it now, outside its ticks; the job's id."""
        job_id = self._ids.new(self._now().wall_ms)
        made: list[NewJob] = []

        def trigger(entry: Entry, course: Course, _: Instant) -> Standing:
            job, course = extra(name, entry, course, job_id)
            made[:] = [job]
            return Standing(entry, course, next_look(name, entry, course))

        self._change(name, trigger, made)
        return id_text(job_id)

    def drop(self, name: str) -> None:
        """Forgets it; its jobs stay. A worker that declares it puts it there again when it starts."""
        self._find(name)
        self._store.drop_schedule(name)

    def planned(self) -> Iterator[Planned]:
        """As far as capacity cares: those that tick, a bounded number of them."""
        for _, row in zip(range(MOST_PLANNED), rows(self._store), strict=False):
            entry, course = read(row)
            job, interval = entry.schedule.job, interval_ms(entry.schedule, course.since_ms)
            if row.next_ms is not None and interval is not None:
                yield Planned(row.name, job.queue, job.task, interval / 1000, entry.schedule.overlap != "allow")

    def _change(self, name: str, change: Change, jobs: list[NewJob] | None = None) -> ScheduleRow:
        """Reads, changes, writes; anew where another has written meanwhile."""
        for _ in range(TRIES):
            row, now = self._find(name), self._now()
            standing = change(*read(row), now)
            after = written(name, row.version + 1, standing)
            if self._store.write_schedule(after, jobs or (), None, now):
                return schedule_row(after)
        raise StoreError(f"schedule {name}: it is changed all the time by others; try again")

    def _find(self, name: str) -> Scheduled:
        row = find(self._store, name) if name else None
        if row is None:
            known = ", ".join(row.name for row in self._store.schedules(limit=10)) or "none"
            raise UsageError(f"schedule {name!r}: there is none of that name; the store has {known}")
        return row

    def _now(self) -> Instant:
        return Instant.read(self._clock)


def schedule_row(row: Scheduled) -> ScheduleRow:
    """A schedule of the store as people see it."""
    entry, course = read(row)
    schedule, stretched = entry.schedule, stretched_ms(entry.schedule, course)
    return ScheduleRow(
        name=row.name,
        state="paused" if entry.paused else "over" if row.next_ms is None else "ticking",
        timing=str(schedule.timing),
        set_by_hand=entry.timing is not None,
        interval_s=_seconds(interval_ms(schedule, course.since_ms)),
        task=schedule.job.task,
        queue=schedule.job.queue,
        overlap=schedule.overlap,
        catchup=schedule.catchup,
        next_ms=row.next_ms,
        fired_ms=course.fired_ms,
        fired=course.fired,
        late=course.late,
        skipped=msgspec.to_builtins(course.skipped),
        skipped_ms=course.skipped_ms,
        skipped_why=course.skipped_why,
        triggered=course.triggered,
        unfinished=tuple(map(id_text, course.jobs)),
        jitter_s=schedule.jitter_ms / 1000,
        start_ms=schedule.start_ms,
        end_ms=schedule.end_ms,
        adapt=schedule.adapt,
        stretched_s=_seconds(stretched),
        safe_s=_seconds(course.safe_ms),
        warning=warning(row.name, entry, course),
        app=entry.app,
    )


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
