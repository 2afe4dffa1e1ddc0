"""The store seam: what the engine asks of a place where jobs live. Each verb is one transaction and safe to repeat.

`oakum.testing.conformance` is this protocol as a test suite; a store is whatever passes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

from oakum.clock import Clock
from oakum.model.bounds import Ruled, RuleKind, Rules
from oakum.model.job import Claimed, JobQuery, JobView, NewJob, State
from oakum.model.lifecycle import Settlement
from oakum.model.stats import TaskStats
from oakum.store.kept import Scheduled, Start
from oakum.store.moving import Moving
from oakum.units import MIB


class Instant(NamedTuple):
    """A moment on two clocks, in milliseconds: `wall_ms` for what people set, `boot_ms` for leases."""

    wall_ms: int
    boot_ms: int

    @classmethod
    def read(cls, clock: Clock) -> Instant:
        """The present moment of `clock`."""
        return cls(int(clock.wall() * 1000), int(clock.boot() * 1000))


class Identity(Struct, frozen=True, array_like=True):
    """Which process a holder is: enough to know on the same host, without a doubt, that it is gone."""

    host: str
    boot_id: str
    pid_namespace: int
    pid: int
    start_ticks: int


class Holder(Struct, frozen=True):
    """A worker as the store knows it. `lease_until_ms` is boot time of its own host; `report` is its last word on itself."""

    number: int
    identity: Identity
    lease_until_ms: int
    fenced: bool = False
    report: bytes = b""


class Want(Struct, frozen=True):
    """What a worker can take now.

    `queues` in the order of preference; `weights` gives the bytes that one job of each task counts for; the sum of the
    weights of what is claimed stays within `room` bytes, and their number within `limit`. Their arguments, which the
    worker keeps until they start, stay within `payload` bytes all together, unless the first alone has more. A task whose
    weight exceeds `room` is not claimed; leave a task out of `weights` to have its jobs left where they are. `turn` is the
    number of the offer that may stand, see `OfferStore`.
    """

    holder: int
    queues: tuple[str, ...]
    weights: Mapping[str, int]
    room: int
    limit: int
    payload: int = 8 * MIB
    turn: int = 0


class Given(Struct, frozen=True, array_like=True, gc=False):
    """A job that was given to a worker under its offer of that number."""

    turn: int
    job: Claimed


class Mark(Struct, frozen=True):
    """A job already there: `place` in the inserted batch, and the `id` that holds its unique or idempotency key.

    A unique key is held as `Unique` says, by a job that is kept; an idempotency key until 24 hours past its job's end,
    even where the job itself is no longer kept.
    """

    place: int
    id: bytes


class Page(Struct, frozen=True):
    """Part of a listing, newest first. `before` is the id to page on with, None when nothing older is left to look at.

    A page looks at a bounded number of jobs, so that it may hold less than was asked for, or nothing, and go on.
    """

    jobs: tuple[JobView, ...]
    before: bytes | None = None


class Story(Struct, frozen=True):
    """A job with all that is kept of it: earlier starts, oldest first, and what it printed."""

    job: JobView
    starts: tuple[Start, ...]
    log: str
    cancel_asked: bool = False


class Count(Struct, frozen=True):
    """How many jobs of one task in one queue are in one state, and the bytes of their payloads."""

    queue: str
    task: str
    state: State
    jobs: int
    bytes: int = 0


class Flow(Struct, frozen=True):
    """What has gone through: jobs of one task in one queue ever inserted and ever ended, pruned ones too, and the wall
    milliseconds from which the oldest available one could have started, None where none is available."""

    queue: str
    task: str
    arrived: int
    ended: int
    oldest_ms: int | None = None


class Spent(Struct, frozen=True):
    """A rate that is spent, of a queue or a task: the wall milliseconds from which the next of its jobs may start."""

    kind: RuleKind
    name: str
    opens_ms: int


class Space(Struct, frozen=True):
    """The bytes that a store takes where it lives, and those that it can grow to (its bound, the disk's free room, the
    server's memory), None where that is not known from here."""

    used: int
    limit: int | None = None


Topic = Literal["work", "results", "room"]
"""What a worker waits for: jobs and cancels. What a handle waits for: jobs that end. What a producer waits for: room."""
TOPICS: Final[tuple[Topic, ...]] = ("work", "results", "room")


class Bell(Protocol):
    """Rings when another process has changed the store. It may ring for nothing and may miss: poll beneath it."""

    @property
    def echo_s(self) -> float:
        """Seconds after a ring in which others may be held back: look once more then. 0 where none is."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when it rings, -1 where the store has none."""

    def wait(self, timeout: float) -> bool:
        """Blocks until it rings or `timeout` seconds have passed; swallows what rang."""

    def drain(self) -> None:
        """Swallows what rang, without waiting."""

    def close(self) -> None:
        """Stops listening. Closing twice is harmless."""


class Store(Protocol):
    """A place where jobs live. Times in milliseconds, sizes in bytes. Safe to use from several threads.

    Of a store that is shut (see `oakum.store.moving`) all that changes what waits there raises StoreMoved, and nothing is
    changed. All verbs raise StoreError (or a subclass) when the store fails. Then nothing was changed, or, where the disk or the
    line failed in the commit itself, perhaps everything: any verb may be repeated, since ids and fences make that safe.
    """

    @property
    def durability(self) -> str:
        """One line: what survives a crash of the process, of the host, and of its power."""

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """Puts jobs in, all or none. Jobs whose id is there already are passed over in silence (a repeated call);
        jobs whose unique or idempotency key is held by another are answered as marks and not inserted.

        A queue at its bound: by its `on_full`, `block` and `reject` raise QueueFull with the figures (it is the caller who
        blocks, by the bell of "room"); `drop_oldest` ends the oldest waiting jobs as expired, the reason in their
        record, and raises QueueFull where those that run take all the room; `drop_newest` puts what is too much in as
        expired at once. What was passed over or answered as a mark takes no room. A job with a key that is busy is held.

        Raises QueueFull, DuplicateJob (a unique key that is to reject), NotEnqueued (caused by a StoreFull where there
        is no room) or EnqueueUnknown.
        """

    def enrol(self, identity: Identity, lease_ms: int, now: Instant) -> int:
        """Makes a new holder with a lease of `lease_ms`; its number is never used again."""

    def renew(self, holder: int, lease_ms: int, report: bytes, now: Instant) -> bool:
        """Lengthens the lease to `now + lease_ms` and leaves the report; false when the holder was fenced: it holds nothing more."""

    def cancelled(self, holder: int) -> Sequence[int]:
        """The refs of a holder's jobs that somebody wants stopped: one look-up for all of them."""

    def holders(self) -> Sequence[Holder]:
        """All holders that have not been discharged, by number."""

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        """Ends a holder's right to claim and renew, if its lease is still the one that was seen; true if it is fenced now."""

    def held(self, holder: int, limit: int) -> Sequence[Claimed]:
        """Up to `limit` jobs that a holder still has."""

    def discharge(self, holder: int) -> bool:
        """Forgets a holder that has no jobs left; false while it has some."""

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        """Takes available jobs by (priority, run_at, sequence) in each queue; the first that does not fit ends its
        queue's turn. Due scheduled jobs are promoted first and expired ones ended. Answers nothing to a fenced or
        unknown holder. The ref of a job is never used again, even when the job is no longer kept.

        No more are taken of a task or queue than its `limit` and `rate` leave; the rest of that task is passed over, the
        other tasks of the queue are not. A million jobs so left do not slow a claim. A job with a key takes a place of
        its key (`key_limit` in its queue) when it becomes available, and has it until it ends, retries and all; the next
        one held takes it then, at the back of its priority, so that keys take turns. A job whose `key_rate` is spent goes
        back to scheduled until it may start, and keeps its place.
        """

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        """Writes next states and inserts what follows, each only if (ref, token, holder) still holds its job; answers
        the places of those that came too late and changed nothing. A job that was to run again is cancelled instead if
        somebody asked for that while it ran. Raises QueueFull or DuplicateJob, and nothing is changed, where what follows
        is refused."""

    def cancel(self, ids: Sequence[bytes], now: Instant) -> Mapping[bytes, State]:
        """Cancels waiting jobs at once and asks for it where they run; answers the state of each known id after it."""

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        """Inserts a fresh copy, under the new id given, of each ended job; answers old id to new id. Left out are jobs
        that have not ended, and those whose unique key another job holds now."""

    def promote(self, now: Instant, limit: int = 1000) -> int:
        """Makes due scheduled jobs available and ends expired waiting ones; how many changed, at most `limit`."""

    def next_due(self, now: Instant) -> int | None:
        """Wall milliseconds at which the next scheduled job is due, the next waiting one expires or the next rate opens
        that is spent now and that jobs wait for; None for never."""

    def prune(self, now: Instant, limit: int = 1000) -> int:
        """Deletes up to `limit` ended jobs past their retention, with all that belongs to them; how many.

        On a full disk it may have the room that the store has kept for what must go on.
        """

    def prunable(self, now: Instant) -> int:
        """How many ended jobs are past their retention."""

    def forget(self, ids: Sequence[bytes], now: Instant) -> int:
        """Ends the retention of ended jobs, so that the next prune deletes them; how many were still to be kept."""

    # -- bounds and limits ---------------------------------------------------------------------------------------------

    def declare(self, kind: RuleKind, rules: Mapping[str, Rules]) -> None:
        """Notes the rules that the code has for queues or tasks by name, or for the store (name ""). What an operator
        said of one stays in force. Writes nothing where they are known already."""

    def override(self, kind: RuleKind, name: str, rules: Rules | None) -> None:
        """Puts an operator's rules in force instead of those declared; None gives back to the code. A bound below what
        waits already only keeps more from coming in."""

    def rules(self, kind: RuleKind) -> Mapping[str, Ruled]:
        """All rules of a kind that are not without any bound."""

    def spent(self, now: Instant) -> Sequence[Spent]:
        """The rates of queues and tasks that are spent now and that available jobs wait for."""

    # -- schedules -----------------------------------------------------------------------------------------------------

    def write_schedule(self, row: Scheduled, jobs: Sequence[NewJob], holder: int | None, now: Instant) -> bool:
        """Writes a schedule, and inserts the jobs of its ticks in the same commit, if the one kept has version
        `row.version - 1` (none is kept: 0) and `holder`, where one is given, is not fenced; whether it did.

        This alone makes a tick come at most once, whoever believes to lead. Raises what `insert` does.
        """

    def schedules(self, *, due_ms: int | None = None, after: str = "", limit: int = 100) -> Sequence[Scheduled]:
        """Schedules: by name from beyond `after`, or, with `due_ms`, those whose `next_ms` is not later, earliest first."""

    def next_tick(self) -> int | None:
        """The least `next_ms` of all schedules, None where none is to fire."""

    def drop_schedule(self, name: str) -> bool:
        """Forgets a schedule; whether it was there. The jobs it made stay."""

    # -- what is known -------------------------------------------------------------------------------------------------

    def memo(self, name: str) -> bytes | None:
        """What `keep_memo` kept."""

    def keep_memo(self, name: str, value: bytes) -> None:
        """Keeps a small value (up to 256 KiB) under a name, in place of the one before. Losing the newest in a crash is
        harmless."""

    def flows(self) -> Sequence[Flow]:
        """What has gone through, by queue and task. Costs the same however many jobs there are."""

    def space(self) -> Space:
        """The store's size and its bound. Cheap: it may be asked every few seconds."""

    def warnings(self) -> Sequence[str]:
        """What endangers the store where it lives, a line each with the remedy; none where nothing is amiss, or known."""

    def progress(self, notes: Mapping[int, bytes], holder: int) -> None:
        """Leaves the latest progress of running jobs (ref to an opaque note). It is gone when the start has ended."""

    def observe(self, measured: Mapping[str, TaskStats]) -> None:
        """Merges measurements into what is known of each task."""

    def stats(self) -> Mapping[str, TaskStats]:
        """What is known of each task."""

    def pause(self, queue: str, paused: bool) -> None:
        """Stops or restarts the handing out of a queue's jobs."""

    def paused(self) -> frozenset[str]:
        """The queues that are paused."""

    def outcome(self, id: bytes) -> tuple[State, bytes | None] | None:
        """A job's state and the record of its last ended start, None when there is no such job (any more)."""

    def story(self, id: bytes) -> Story | None:
        """Everything kept of one job."""

    def jobs(self, query: JobQuery) -> Page:
        """A page of jobs, newest first by id."""

    def counts(self) -> Sequence[Count]:
        """How many jobs there are, by queue, task and state. Costs the same however many there are."""

    def listen(self, topic: Topic) -> Bell:
        """A bell that rings when another process, or another user of this one, changes what the topic names."""

    @property
    def moving(self) -> Moving:
        """How the store is carried to another one."""

    def close(self) -> None:
        """Lets go of files and connections, and ends its bells. Closing twice is harmless; the next use opens them again."""


class TransactionalStore(Protocol):
    """A store that can put jobs in within a transaction of the caller's own database connection."""

    def insert_within(self, connection: object, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        """As `Store.insert`, on the caller's connection: the jobs are there if and only if he commits.

        Nobody is made to wait for a bound as long as that transaction lasts: a full queue refuses at once. Workers are
        woken by the commit where the store can, else they find the jobs when they look next. Raises UsageError for a
        connection that is none of this store's, or has no transaction; QueueFull, DuplicateJob or NotEnqueued.
        """


@runtime_checkable
class OfferStore(Protocol):
    """A store in which a worker with nothing to do may offer to take the next job.

    Whoever puts such a job in gives it to him in the same commit, as if he had claimed it, and sends him word. An offer is
    good for one job. It has a number of its worker's own, `turn`, by which word that comes too late is known.
    """

    def offer(self, want: Want, now: Instant) -> None:
        """Leaves the offer `want.turn` of `want.holder`: one job of any of those queues and tasks.

        It stands until a claim with this turn answers something, or it is withdrawn. Such a claim answers also a job that
        was given under it: so nothing is lost where word of it was.
        """

    def given(self) -> Sequence[Given | None]:
        """What the bell of "work" has brought when it was drained last: jobs that were given, and None for mere rings."""

    def withdraw(self, holder: int, turn: int) -> Sequence[Claimed]:
        """Takes an offer back; what was given under it."""


def chunks(items: Iterable[NewJob], size: int, max_bytes: int) -> Iterable[list[NewJob]]:
    """`items` in lists of at most `size` and about `max_bytes` of payload, without holding more than one list."""
    batch: list[NewJob] = []
    weight = 0
    for item in items:
        batch.append(item)
        weight += len(item.payload)
        if len(batch) >= size or weight >= max_bytes:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch
