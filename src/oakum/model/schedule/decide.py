"""What a schedule does now: which ticks become jobs, which are skipped and why, and when to look again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from oakum.model.job import NewJob, State
from oakum.model.schedule.spec import Course, Entry, Schedule, Skip, in_force, tag
from oakum.model.schedule.timing import latest

PUNCTUAL_MS: Final = 60_000  # a tick this late is still on time: nobody need catch it up
SET_BACK_MS: Final = 3 * 3_600_000  # a clock set back further was wrong before: cron's own measure
WORTH_CHANGING: Final = 0.02  # by which a safe interval has to differ from the one before
MOST_FOLLOWED: Final = 8  # jobs of one schedule whose end is looked for


class Verdict(NamedTuple):
    """What is to be written: `jobs` and `course` in one commit; then `cancel` are to be stopped. `next_ms` None: never."""

    jobs: tuple[NewJob, ...]
    cancel: tuple[bytes, ...]
    course: Course
    next_ms: int | None


def decide(
    name: str,
    entry: Entry,
    course: Course,
    now_ms: int,
    states: Mapping[bytes, State],
    *,
    safe_ms: int | None = None,
    barred: Skip | None = None,
) -> Verdict:
    """What becomes of the ticks that are due at `now_ms`.

    `states` are those of the jobs in `course.jobs` that are still there. `safe_ms` is the smallest safe interval as it
    is measured now, None where that is not known. `barred` says why no job can be stored.
    """
    if entry.paused:
        return Verdict((), (), course, None)
    if course.since_ms - now_ms > SET_BACK_MS:
        course = replace(course, since_ms=now_ms, era=course.era + 1)
    schedule = in_force(entry, course)
    due, count = _due(name, schedule, course.since_ms, now_ms)
    on_time = bool(due) and now_ms - due[-1] <= PUNCTUAL_MS + schedule.jitter_ms
    wanted = due[-max(schedule.catchup, 1) :] if schedule.catchup or on_time else []
    unfinished = tuple(each for each in course.jobs if each in states and not states[each].terminal)
    admitted = [] if barred else _admitted(schedule, wanted, [states[each] for each in unfinished])
    jobs = tuple(_job(name, schedule, tick, now_ms, course.era) for tick in admitted)
    course = _skip(course, "missed", count - len(wanted), now_ms)
    course = _skip(course, barred or "overlap", len(wanted) - len(admitted), now_ms)
    course = replace(
        course,
        since_ms=due[-1] if due else course.since_ms,
        fired=course.fired + len(jobs),
        late=course.late + len(jobs) - (on_time and bool(jobs)),
        fired_ms=admitted[-1] if admitted else course.fired_ms,
        jobs=follow(schedule, unfinished, jobs),
        safe_ms=_settled(course.safe_ms, safe_ms),
    )
    cancel = unfinished if jobs and schedule.overlap == "cancel_running" else ()
    return Verdict(jobs, cancel, course, next_look(name, entry, course))


def next_look(name: str, entry: Entry, course: Course) -> int | None:
    """When there is something to decide next, None for never."""
    schedule = in_force(entry, course)
    tick = None if entry.paused else schedule.after(course.since_ms)
    return None if tick is None else _due_ms(name, schedule, tick)


def extra(name: str, entry: Entry, course: Course, id: bytes) -> tuple[NewJob, Course]:
    """A job made by hand, outside all ticks, with the given id."""
    schedule = entry.schedule
    job = replace(schedule.job, id=id, tags=(*schedule.job.tags, tag(name)), key=_key(name, schedule))
    followed = follow(schedule, course.jobs, (job,))
    return job, replace(course, triggered=course.triggered + 1, jobs=followed)


def follow(schedule: Schedule, unfinished: tuple[bytes, ...], jobs: tuple[NewJob, ...]) -> tuple[bytes, ...]:
    """The jobs whose end matters for the next tick. They run one after another: the last ones say most."""
    if schedule.overlap == "allow":
        return ()
    return (*unfinished, *(job.id for job in jobs))[-MOST_FOLLOWED:]


def _due(name: str, schedule: Schedule, since_ms: int, now_ms: int) -> tuple[list[int], int]:
    """The last ticks that are due, as many as may matter, and how many are due in all."""
    begin = since_ms if schedule.start_ms is None else max(since_ms, schedule.start_ms - 1)
    end = now_ms if schedule.end_ms is None else min(now_ms, schedule.end_ms)
    ticks, count = latest(schedule.timing, begin, end, max(1, schedule.catchup) + 1)
    if ticks and _due_ms(name, schedule, ticks[-1]) > now_ms:  # its jitter; the one before is never that late
        ticks, count = ticks[:-1], count - 1
    return ticks, count


def _due_ms(name: str, schedule: Schedule, tick: int) -> int:
    """When a tick is to become a job: by chance up to the jitter later, but never later than the tick after it."""
    if not schedule.jitter_ms:
        return tick
    following = schedule.after(tick)
    most = schedule.jitter_ms if following is None else min(schedule.jitter_ms, following - tick)
    return tick + int.from_bytes(_digest(name, tick)[:4], "big") * most // (1 << 32)


def _admitted(schedule: Schedule, wanted: list[int], unfinished: list[State]) -> list[int]:
    """The ticks whose jobs may be stored beside those that have not ended."""
    match schedule.overlap:
        case "skip":
            return [] if unfinished else wanted
        case "queue_one":
            return [] if any(state is not State.RUNNING for state in unfinished) else wanted
        case "cancel_running":
            return wanted[-1:]
        case "allow":
            return wanted


def _skip(course: Course, why: Skip, count: int, now_ms: int) -> Course:
    if not count:
        return course
    skipped = {**course.skipped, why: course.skipped.get(why, 0) + count}
    return replace(course, skipped=skipped, skipped_ms=now_ms, skipped_why=why)


def _job(name: str, schedule: Schedule, tick: int, now_ms: int, era: int) -> NewJob:
    """The job of a tick. Its id follows from schedule and tick alone: whoever makes it, it is the same one."""
    kept = schedule.expires_ms
    if kept is None:
        following = schedule.after(tick)
        kept = None if following is None else following - tick
    return replace(
        schedule.job,
        id=tick.to_bytes(6, "big") + _digest(name, tick, era),
        run_at_ms=tick,
        expires_ms=None if kept is None else now_ms + kept,
        tags=(*schedule.job.tags, tag(name)),
        key=_key(name, schedule),
    )


def _key(name: str, schedule: Schedule) -> str | None:
    """What keeps two runs from going on side by side, on whatever workers."""
    return schedule.job.key or (None if schedule.overlap == "allow" else tag(name))


def _digest(name: str, tick: int, era: int = 0) -> bytes:
    """Ten bytes that look like chance and are the same to everybody."""
    from hashlib import blake2b  # here: it brings all of OpenSSL, and a worker without schedules has no use for it

    return blake2b(f"{name}\n{tick}\n{era}".encode(), digest_size=10, person=b"tick").digest()


def _settled(before: int | None, measured: int | None) -> int | None:
    """A measurement replaces the one before where the difference is worth it."""
    if measured is None or (before is not None and abs(measured - before) <= before * WORTH_CHANGING):
        return before
    return measured
