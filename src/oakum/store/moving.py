"""How a store is carried to another one: what it keeps, taken out as it is and put back as it was.

A store that is shut refuses all that changes what waits in it, with StoreMoved; what runs may still be settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeVar, cast

from msgspec import Struct

from oakum.errors import StoreError, StoreMoved
from oakum.model.bounds import Ruled, RuleKind
from oakum.model.job import NewJob, State
from oakum.store.kept import Scheduled, Start
from oakum.units import MIB

NOTICE: Final = "store.notice"
"""The memo, or the field, that a store keeps its notice in."""

AT_ONCE: Final = 500  # jobs, or keys, in one batch
BYTES_AT_ONCE: Final = 4 * MIB  # of their payloads and records: no job is begun beyond them

T = TypeVar("T")


def first_batch(jobs: Iterable[T], weigh: Callable[[T], int]) -> list[T]:
    """The first of `jobs`, as many as one batch may have; `weigh` gives the bytes of one."""
    batch: list[T] = []
    size = 0
    for job in jobs:
        batch.append(job)
        size += weigh(job)
        if len(batch) == AT_ONCE or size >= BYTES_AT_ONCE:
            break
    return batch


Role = Literal["leaving", "left", "arriving", "abandoned"]

_SAYS: Final[dict[Role, str]] = {
    "leaving": "is being moved to {0} and takes no new work; nothing was done: use {0} once `oakum store move` has ended",
    "left": "has moved to {0}; nothing was done: use that address from now on",
    "arriving": "is being filled from {0} by `oakum store move` and opens when that has ended; nothing was done",
    "abandoned": "holds what a move from {0} had brought before it was undone; nothing was done: empty it, or use another",
}


class Notice(Struct, frozen=True):
    """Why a store is shut: it is being left or was left for `other`, or is being filled from there. No password is in it."""

    role: Role
    other: str

    def refusal(self, here: str) -> StoreMoved:
        """What a store at `here` says to whoever wants something of it."""
        return StoreMoved(f"{here}: {self}", self.other, for_good=self.role == "left")

    def __str__(self) -> str:
        return f"this store {_SAYS[self.role].format(self.other)}"

    def encode(self) -> bytes:
        """As a line of text, which is how stores keep it."""
        return f"{self.role} {self.other}".encode()

    @classmethod
    def decode(cls, line: bytes) -> Notice:
        """What `encode` gave."""
        role, _, other = line.decode().partition(" ")
        return cls(cast("Role", role), other)


def check_arriving(notice: Notice | None, here: str) -> None:
    """Raises StoreError for a store that is not being filled, or not any more: another mover has ended the move."""
    if notice is None or notice.role != "arriving":
        raise StoreError(not_arriving(here))


def not_arriving(here: str) -> str:
    """What is said of such a store."""
    return f"{here}: this store is not being filled; if another move to it has just ended, all is there"


class Kept(Struct, frozen=True):
    """A job that does not run, with all that is kept of it. `new` is the call; its `run_at_ms` is when it may start.

    `ref` is its place in the order of insertion, `placed` whether it has a place of its key (None: it has no key, or has
    ended). `starts` are its earlier starts, `logs` what they printed by token.
    """

    ref: int
    new: NewJob
    state: State
    token: int = 0
    tries: int = 0
    crashes: int = 0
    over: int = 0
    suspect: bool = False
    placed: bool | None = None
    ended_ms: int | None = None
    keep_until_ms: int | None = None
    record: bytes | None = None
    starts: tuple[Start, ...] = ()
    logs: tuple[tuple[int, bytes], ...] = ()


class Key(Struct, frozen=True):
    """A key and the job that it was given to, kept or not. `until_ms`: when an idempotency key is given back, None
    while its job has not ended."""

    kind: Literal["unique", "idempotency"]
    key: bytes
    id: bytes
    ref: int
    until_ms: int | None = None


class Spent(Struct, frozen=True):
    """The theoretical arrival time, in wall milliseconds, of the rate of a queue, a task or, with `key`, of a key of a queue."""

    kind: RuleKind
    name: str
    key: str | None
    arrival_ms: float


class Estate(Struct, frozen=True):
    """What a store keeps that is neither a job nor a key. `gone` counts the pruned jobs by queue and task, `stats` are encoded."""

    rules: Mapping[RuleKind, Mapping[str, Ruled]] = {}
    spent: tuple[Spent, ...] = ()
    schedules: tuple[Scheduled, ...] = ()
    memos: Mapping[str, bytes] = {}
    stats: Mapping[str, bytes] = {}
    paused: frozenset[str] = frozenset()
    gone: Mapping[tuple[str, str], int] = {}


class Moving(Protocol):
    """What `oakum store move` asks of a store. Each verb that writes is one transaction and safe to repeat."""

    def notice(self) -> Notice | None:
        """Why the store is shut, None while it is open."""

    def shut(self, notice: Notice | None) -> None:
        """Shuts the store, or opens it. When it returns, whatever had begun before has been committed or refused."""

    def dump(self, *, ended: bool) -> Iterator[Sequence[Kept]]:
        """All jobs that have ended, or all that wait, in bounded batches in the order of their ids. Running ones are left out."""

    def dump_keys(self) -> Iterator[Sequence[Key]]:
        """All unique and idempotency keys that are given, in bounded batches."""

    def estate(self) -> Estate:
        """Everything else."""

    # The three verbs that fill a store raise StoreError where it is not shut for that: somebody may be at work there.

    def restore(self, jobs: Sequence[Kept]) -> int:
        """Puts jobs in as they are; those whose id is there are passed over. How many were new."""

    def restore_keys(self, keys: Sequence[Key]) -> None:
        """Gives keys to their jobs, in place of whoever has them."""

    def furnish(self, estate: Estate) -> None:
        """Puts rules, schedules and the rest in place, also of what is there. Rules come before jobs: see `restore`."""
