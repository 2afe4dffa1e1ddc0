"""A job as the store keeps it: its states, what a producer hands in, what a worker takes out, what people look at."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal

from msgspec import Struct

from oakum.errors import UsageError

DEFAULT_QUEUE: Final = "default"
LARGEST_PAGE: Final = 10_000


class State(IntEnum):
    """Where a job stands. The numbers are stored: 0 and 1 take no room in a SQLite row."""

    AVAILABLE = 0
    RUNNING = 1
    SCHEDULED = 2
    HELD = 3  # its key is busy: out of the workers' sight until its turn comes
    COMPLETED = 4
    FAILED = 5
    CANCELLED = 6
    EXPIRED = 7
    QUARANTINED = 8

    @property
    def terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self >= State.COMPLETED

    @property
    def label(self) -> str:
        """The word that people read."""
        return self.name.lower()


WAITING: Final = (State.AVAILABLE, State.SCHEDULED, State.HELD)
UNFINISHED: Final = (*WAITING, State.RUNNING)
ENDED: Final = tuple(state for state in State if state.terminal)

Conflict = Literal["keep", "replace", "reject", "debounce"]


class Unique(Struct, frozen=True, array_like=True, gc=False):
    """That a job is the only one of its key, among those in `states` that were inserted in the last `period_ms`.

    Where such a job is there already, `conflict` says what becomes of a new one: `keep`: it is not stored, the old one
    stands for it. `replace`: the same, but a waiting one takes its payload, priority, expiry, overrides and tags.
    `reject`: DuplicateJob is raised. `debounce`: as `replace`, and a waiting one's start moves to the new one's
    `run_at_ms`, but to no later than `latest_ms` after its own insertion. What has started is never replaced: it is kept.
    """

    key: bytes
    conflict: Conflict = "keep"
    states: tuple[State, ...] = UNFINISHED
    period_ms: int | None = None
    latest_ms: int | None = None


class Overrides(Struct, frozen=True, array_like=True, gc=False):
    """What `using(...)` changed of the task's own options, for this one job. None means: as the task says.

    `timeout_s` in seconds (0: none), `memory` and `memory_max` in bytes, `retries` a count.
    """

    timeout_s: float | None = None
    memory: int | None = None
    memory_max: int | None = None
    retries: int | None = None
    result_ttl_s: float | None = None


class NewJob(Struct, frozen=True, gc=False):
    """A job on its way into the store. Times are wall milliseconds; `run_at_ms` 0 means now.

    Jobs of one queue with the same `key` run one at a time, or as many as the queue's rules say, in order.
    """

    id: bytes
    task: str
    payload: bytes
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    run_at_ms: int = 0
    expires_ms: int | None = None
    unique: Unique | None = None
    idempotency: bytes | None = None
    overrides: Overrides | None = None
    tags: tuple[str, ...] = ()
    parent: bytes | None = None
    key: str | None = None


class Claimed(Struct, frozen=True, gc=False):
    """A job that a worker holds.

    `ref` is the store's own handle of the row; `token` counts its claims and is the fencing token: with `ref` and the
    holder it decides whether a settle still counts. `tries`, `crashes` and `over` are budgets spent so far; `suspect`
    says that the host died while it ran. `expires_ms`: not to be started from then on.
    """

    ref: int
    id: bytes
    task: str
    queue: str
    payload: bytes
    token: int
    tries: int = 0
    crashes: int = 0
    over: int = 0
    suspect: bool = False
    overrides: Overrides | None = None
    tags: tuple[str, ...] = ()
    key: str | None = None
    expires_ms: int | None = None


class JobView(Struct, frozen=True):
    """One row of a listing. Times are wall milliseconds, None where unknown."""

    id: bytes
    task: str
    queue: str
    state: State
    priority: int
    created_ms: int
    run_at_ms: int
    ended_ms: int | None
    expires_ms: int | None
    tries: int
    crashes: int
    over: int
    token: int
    payload: bytes
    record: bytes | None = None
    tags: tuple[str, ...] = ()
    parent: bytes | None = None
    progress: bytes | None = None
    key: str | None = None


class JobQuery(Struct, frozen=True):
    """Which jobs a listing wants, newest first. `before` pages on: only jobs older than that id.

    Raises UsageError for a `limit` that is not between 1 and `LARGEST_PAGE`.
    """

    states: tuple[State, ...] = ()
    task: str | None = None
    queue: str | None = None
    tag: str | None = None
    before: bytes | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.limit <= LARGEST_PAGE:
            raise UsageError(f"limit: {self.limit} is not between 1 and {LARGEST_PAGE}; page on with `before`")
