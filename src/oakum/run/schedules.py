"""What `app.schedule(...)` takes, read once into a value."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, TypedDict, get_args

from msgspec.structs import replace

from oakum.errors import UsageError
from oakum.model.ids import id_wall_ms
from oakum.model.job import NewJob
from oakum.model.schedule.spec import All, Overlap, Schedule
from oakum.model.schedule.timing import Every, Timing, moment_ms
from oakum.run.names import check_known
from oakum.units import Duration, parse_duration

LARGEST_CATCHUP: Final = 1000


class ScheduleOptions(TypedDict, total=False):
    """What `Oakum.schedule` takes beside name, timing and job; each is explained there."""

    overlap: Overlap
    catchup: Literal["latest", "none"] | All
    jitter: Duration
    start: datetime
    end: datetime
    expires: Duration
    adapt: bool


def read_schedule(name: str, timing: Timing, job: NewJob, options: ScheduleOptions) -> Schedule:
    """Reads the options of `Oakum.schedule`. Raises UsageError with the one that is wrong."""
    where = f"schedule {name}"
    check_known(options, ScheduleOptions, where)
    if not isinstance(timing, Timing):
        raise UsageError(f"{where}: {timing!r} says not when; write every('1s'), cron('0 3 * * *') or at(...)")
    if not isinstance(job, NewJob):
        raise UsageError(f"{where}: {job!r} is no job; write refresh.job(), without making the call")
    if job.run_at_ms or job.idempotency is not None:
        raise UsageError(
            f"{where}: its ticks say when each job runs, and which; leave delay, run_at and idempotency_key out"
        )
    overlap = options.get("overlap", "skip")
    if overlap not in get_args(Overlap):
        raise UsageError(f"{where}: overlap={overlap!r} is none; there are {', '.join(get_args(Overlap))}")
    adapt = options.get("adapt", False)
    if adapt and not isinstance(timing, Every):
        raise UsageError(f"{where}: adapt=True stretches an interval; it goes with every(...)")
    schedule = Schedule(
        timing,
        replace(job, id=b"", expires_ms=None),
        overlap,
        _catchup(where, options.get("catchup", "latest")),
        _milliseconds(options.get("jitter", 0), f"{where}: jitter"),
        moment_ms(options["start"], f"{where}: start") if "start" in options else None,
        moment_ms(options["end"], f"{where}: end") if "end" in options else None,
        _expires(where, job, options),
        adapt,
    )
    if schedule.end_ms is not None and schedule.after((schedule.start_ms or 0) - 1) is None:
        raise UsageError(f"{where}: no tick falls between its start and its end")
    return schedule


def _expires(where: str, job: NewJob, options: ScheduleOptions) -> int | None:
    """The schedule's own, else what the task or `using` says, which the template has counted from its making."""
    if "expires" in options:
        return _milliseconds(options["expires"], f"{where}: expires")
    return None if job.expires_ms is None else job.expires_ms - id_wall_ms(job.id)


def _catchup(where: str, value: Literal["latest", "none"] | All) -> int:
    if isinstance(value, All) and 1 <= value.max <= LARGEST_CATCHUP:
        return value.max
    if value not in ("latest", "none"):
        raise UsageError(
            f"{where}: catchup={value!r} is none; there are 'latest', 'none' and All(max=1 to {LARGEST_CATCHUP})"
        )
    return 1 if value == "latest" else 0


def _milliseconds(value: Duration, name: str) -> int:
    return round(parse_duration(value, name=name, zero=True) * 1000)
