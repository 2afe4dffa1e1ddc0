"""What becomes of jobs on their way in: which are new, which stand behind another, and what a full queue does. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from oakum.errors import DuplicateJob, QueueFull
from oakum.model.bounds import Rules
from oakum.model.ids import id_text
from oakum.model.job import WAITING, NewJob, State, Unique
from oakum.model.lifecycle import DEFAULT_KEPT_MS, Ending
from oakum.model.outcome import Expired, Record, encode_record
from oakum.units import format_size

Ref = TypeVar("Ref")


class Owner(NamedTuple):
    """The job that a unique key was given to last."""

    id: bytes
    state: State
    created_ms: int
    started: bool = False


class Intake(NamedTuple):
    """Jobs sorted out. `fresh` are new, `marks` the places of those that another stands for, with its id; `replaced` are
    waiting jobs by id, and what they become: the new job, with the moment at which it starts."""

    fresh: list[NewJob]
    marks: list[tuple[int, bytes]]
    replaced: dict[bytes, NewJob]


class Load(Struct, frozen=True):
    """What a queue holds: jobs that have not ended and the bytes of their payloads, and how many of both run."""

    jobs: int = 0
    bytes: int = 0
    running_jobs: int = 0
    running_bytes: int = 0


class Room(NamedTuple, Generic[Ref]):
    """What a full queue lets go of: waiting jobs, and new ones by their ids."""

    waiting: list[Ref]
    new: set[bytes]


def sort_out(
    jobs: Sequence[NewJob],
    now_ms: int,
    is_there: Callable[[bytes], bool],
    unique_owner: Callable[[bytes], Owner | None],
    idempotency_owner: Callable[[bytes], bytes | None],
) -> Intake:
    """Sorts jobs out by their ids and keys. The callables ask the store; what stands earlier in `jobs` counts too.

    Raises DuplicateJob for a unique key that is to reject.
    """
    fresh: dict[bytes, NewJob] = {}
    intake = Intake([], [], {})
    keys: dict[bytes, bytes] = {}
    owners: dict[bytes, bytes] = {}
    for place, job in enumerate(jobs):
        if job.id in fresh or is_there(job.id):
            continue
        owner = _unique_owner(job.unique, fresh, owners, unique_owner, now_ms) if job.unique is not None else None
        if owner is not None and job.unique is not None:
            _stand_behind(job, job.unique, owner, fresh, intake.replaced, now_ms)
            intake.marks.append((place, owner.id))
            continue
        if job.idempotency is not None:
            holder = keys.get(job.idempotency) or idempotency_owner(job.idempotency)
            if holder is not None:
                intake.marks.append((place, holder))
                continue
            keys[job.idempotency] = job.id
        if job.unique is not None:
            owners[job.unique.key] = job.id
        fresh[job.id] = job
    intake.fresh.extend(fresh.values())
    return intake


def fits(rules: Rules, jobs: int, size: int) -> bool:
    """Whether a queue may hold so many jobs and bytes."""
    return (rules.max_jobs is None or jobs <= rules.max_jobs) and (rules.max_bytes is None or size <= rules.max_bytes)


def check_room(queue: str, rules: Rules, load: Load, jobs: int, size: int) -> None:
    """Raises QueueFull, with the figures, where so many more jobs and bytes do not fit."""
    if fits(rules, load.jobs + jobs, load.bytes + size):
        return
    bounds = [f"{load.jobs:,} of {rules.max_jobs:,} jobs"] if rules.max_jobs is not None else []
    if rules.max_bytes is not None:
        bounds.append(f"{format_size(load.bytes)} of {format_size(rules.max_bytes)}")
    more = f"{jobs:,} more with {format_size(size)}" if jobs != 1 else f"one more with {format_size(size)}"
    raise QueueFull(
        f"queue {queue}: it holds {' and '.join(bounds)}, and {more} would not fit",
        queue=queue, jobs=load.jobs, bytes=load.bytes,
        max_jobs=rules.max_jobs, max_bytes=rules.max_bytes, on_full=rules.on_full,
    )  # fmt: skip


def make_room(
    queue: str, rules: Rules, load: Load, jobs: Sequence[NewJob], oldest: Iterable[tuple[Ref, int]]
) -> Room[Ref]:
    """What goes so that the rest fits, by the queue's `on_full`. `oldest` are its waiting jobs, oldest first, and their sizes.

    Raises QueueFull where nothing may go, or where what runs takes all the room.
    """
    room: Room[Ref] = Room([], set())
    count, size = load.jobs + len(jobs), load.bytes + sum(len(job.payload) for job in jobs)
    if rules.on_full == "drop_newest":
        for job in reversed(jobs):
            if fits(rules, count, size):
                break
            room.new.add(job.id)
            count, size = count - 1, size - len(job.payload)
        return room
    if rules.on_full != "drop_oldest" or not fits(rules, load.running_jobs + 1, load.running_bytes + 1):
        check_room(queue, rules, load, len(jobs), size - load.bytes)
        return room
    for ref, weight in oldest:
        if fits(rules, count, size):
            return room
        room.waiting.append(ref)
        count, size = count - 1, size - weight
    for job in jobs:
        if fits(rules, count, size):
            break
        room.new.add(job.id)
        count, size = count - 1, size - len(job.payload)
    return room


def dropped(queue: str, rules: Rules) -> Ending:
    """How a job ends that a full queue lets go of."""
    bounds = [f"{rules.max_jobs:,} jobs"] if rules.max_jobs is not None else []
    if rules.max_bytes is not None:
        bounds.append(format_size(rules.max_bytes))
    reason = f"dropped: queue {queue} is at its bound of {' and '.join(bounds)}"
    return Ending(State.EXPIRED, encode_record(Record(0, Expired(reason))), DEFAULT_KEPT_MS)


def _unique_owner(
    unique: Unique,
    fresh: dict[bytes, NewJob],
    owners: dict[bytes, bytes],
    ask: Callable[[bytes], Owner | None],
    now_ms: int,
) -> Owner | None:
    """Who stands in the way of a job with this key, None when nobody does."""
    if unique.key in owners:
        held = fresh[owners[unique.key]]
        owner: Owner | None = Owner(held.id, _state(held, now_ms), now_ms)
    else:
        owner = ask(unique.key)
    if owner is None or owner.state not in unique.states:
        return None
    if unique.period_ms is not None and now_ms - owner.created_ms >= unique.period_ms:
        return None
    return owner


def _stand_behind(
    job: NewJob, unique: Unique, owner: Owner, fresh: dict[bytes, NewJob], replaced: dict[bytes, NewJob], now_ms: int
) -> None:
    if unique.conflict == "reject":
        name = id_text(owner.id)
        raise DuplicateJob(f"task {job.task}: job {name} has the same unique key and is {owner.state.label}", name)
    if unique.conflict == "keep" or owner.state not in WAITING or owner.started:
        return
    before = fresh.get(owner.id)
    if unique.conflict == "debounce":
        start_ms = job.run_at_ms or now_ms
        if unique.latest_ms is not None:
            start_ms = min(start_ms, owner.created_ms + unique.latest_ms)
    else:
        start_ms = before.run_at_ms if before is not None else 0  # 0: as it is
    job = replace(job, id=owner.id, run_at_ms=start_ms)
    if before is not None:
        fresh[owner.id] = job
    else:
        replaced[owner.id] = job


def _state(job: NewJob, now_ms: int) -> State:
    return State.SCHEDULED if job.run_at_ms > now_ms else State.AVAILABLE
