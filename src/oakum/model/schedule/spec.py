"""What is kept of a schedule: what the code declares, what an operator said of it, and how it has gone so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import Struct

from oakum.model.job import NewJob
from oakum.model.schedule.timing import Every, Timing

Overlap = Literal["skip", "queue_one", "allow", "cancel_running"]
Skip = Literal["overlap", "missed", "paused", "queue full", "duplicate"]


@dataclass(frozen=True, slots=True)
class All:
    """Catch-up of all missed ticks, the last `max` of them."""

    max: int = 100


class Schedule(Struct, frozen=True, omit_defaults=True):
    """A schedule as the code declares it; `Oakum.schedule` explains each part. Times in milliseconds.

    `job` is the template of its jobs: without an id and without times. `catchup` is how many missed ticks run: the last
    ones. `expires_ms` counts from the moment a tick's job is stored; None: until the next tick would be.
    """

    timing: Timing
    job: NewJob
    overlap: Overlap = "skip"
    catchup: int = 1
    jitter_ms: int = 0
    start_ms: int | None = None
    end_ms: int | None = None
    expires_ms: int | None = None
    adapt: bool = False

    def after(self, ms: int) -> int | None:
        """The first tick later than `ms`, from the start to the end, None when there is none."""
        tick = self.timing.after(ms if self.start_ms is None else max(ms, self.start_ms - 1))
        return None if tick is None or (self.end_ms is not None and tick > self.end_ms) else tick


class Entry(Struct, frozen=True, omit_defaults=True):
    """A schedule and who says what of it: `declared` by the code of `app`; `paused` and `timing` are an operator's."""

    declared: Schedule
    app: str
    paused: bool = False
    timing: Timing | None = None

    @property
    def schedule(self) -> Schedule:
        """What is in force."""
        return self.declared if self.timing is None else msgspec.structs.replace(self.declared, timing=self.timing)


class Course(Struct, frozen=True, omit_defaults=True):
    """How a schedule has gone. Ticks up to `since_ms` are decided; times are wall milliseconds.

    `fired` counts the ticks that became jobs, `late` those of them that came too late and were caught up, `skipped` the
    others, by reason; `triggered` the jobs made by hand. `fired_ms` is the last tick that became a job, `skipped_ms` when
    one was skipped last, and `skipped_why`. `jobs` are those that may not have ended. `safe_ms` is the smallest safe
    interval as last measured. `era` counts the times the clock was set back too far to wait for it.
    """

    since_ms: int
    fired: int = 0
    late: int = 0
    skipped: dict[Skip, int] = {}
    triggered: int = 0
    fired_ms: int | None = None
    skipped_ms: int | None = None
    skipped_why: Skip | None = None
    jobs: tuple[bytes, ...] = ()
    safe_ms: int | None = None
    era: int = 0


def in_force(entry: Entry, course: Course) -> Schedule:
    """The schedule by which the next tick comes: stretched to what is safe, where it is to adapt."""
    schedule = entry.schedule
    interval = stretched_ms(schedule, course)
    return schedule if interval is None else msgspec.structs.replace(schedule, timing=Every(interval, course.since_ms))


def stretched_ms(schedule: Schedule, course: Course) -> int | None:
    """The interval to which a schedule is stretched, None where it is not."""
    timing, safe = schedule.timing, course.safe_ms
    if schedule.adapt and safe is not None and isinstance(timing, Every) and safe > timing.interval_ms:
        return safe
    return None


def tag(name: str) -> str:
    """The tag of all jobs of a schedule, and the key of those that are not to run side by side."""
    return f"schedule:{name}"


encode: Final = msgspec.msgpack.Encoder().encode
decode_schedule: Final = msgspec.msgpack.Decoder(Schedule).decode
decode_entry: Final = msgspec.msgpack.Decoder(Entry).decode
decode_course: Final = msgspec.msgpack.Decoder(Course).decode
