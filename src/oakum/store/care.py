"""The care of a store: is it sound, and can it be smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from oakum.model.job import State
from oakum.store.moving import Notice
from oakum.units import format_size


class Step(NamedTuple):
    """How far something long has come: what it does, and how much of it is done."""

    what: str
    done: int
    total: int


Tell = Callable[[Step], None]


class Finding(Struct, frozen=True):
    """Something that is not as it should be, and what to do about it."""

    message: str
    remedy: str


class Look(Struct, frozen=True):
    """One thing that was looked at. `note` says where it could not be told."""

    what: str
    findings: tuple[Finding, ...] = ()
    note: str = ""


class Survey(Struct, frozen=True):
    """A store as it looks from outside. `version` is that of its layout, None where no store is there yet; `durability` says in
    one line what survives; `findings` are what endangers it."""

    version: int | None
    durability: str
    findings: tuple[Finding, ...] = ()


class Room(NamedTuple):
    """The bytes that a store took before it was compacted, and those that it takes now."""

    before: int
    after: int


class Care(Protocol):
    """What `oakum store` does to one kind of store. A store that is used meanwhile goes on."""

    def survey(self) -> Survey:
        """Looks from outside: makes no store, and changes none.

        Raises StoreError where a worker could not use it: out of reach, of a newer version, left, others' data, not durable enough.
        """

    def looks(self) -> Iterator[Look]:
        """Looks at one thing after the other. Raises StoreError where the store can't be read at all."""

    def compact(self, *, block: bool = False) -> Room:
        """Gives room back to the disk, or the memory. With `block` also where all who write have to wait for long.

        Raises CannotRun where that is needed and not allowed.
        """

    def backup(self, to: str) -> int:
        """Writes a copy of the store, as it is at one moment, to a new file; its bytes.

        Raises UsageError for a file that is there already, and with the right command where this is a server's business.
        """

    def close(self) -> None:
        """Lets go of the store."""


Key = tuple[str, str, State]
Counted = Mapping[Key, tuple[int, int]]  # jobs, and bytes of their payloads

RECOUNT: Final = "move it into a new store, which counts anew: oakum store move"


def compare(kept: Counted, found: Counted) -> Iterator[Finding]:
    """Where the counts that a store keeps are not those of its jobs, by queue, task and state."""
    for key in sorted(kept.keys() | found.keys()):
        says, has = kept.get(key, (0, 0)), found.get(key, (0, 0))
        if says != has:
            queue, task, state = key
            yield Finding(
                f"queue {queue}, task {task}: counts {says[0]} {state.label} jobs of {format_size(says[1])},"
                f" has {has[0]} of {format_size(has[1])}",
                RECOUNT,
            )


def whether_open(notice: Notice | None) -> Look:
    """Whether the store takes jobs, or is shut by a move."""
    if notice is None:
        return Look("open")
    where = {
        "leaving": "being moved to",
        "left": "moved to",
        "arriving": "being filled from",
        "abandoned": "given up from",
    }
    remedy = "use that one" if notice.role == "left" else "end the move, or undo it: oakum store move"
    return Look("open", (Finding(f"shut: {where[notice.role]} {notice.other}", remedy),))


def stuck(queue: str, key: str, held: int) -> Finding:
    """Jobs are held behind a key that nobody has."""
    return Finding(
        f"queue {queue}, key {key}: {held} jobs are held although the key is free",
        "the end of the next job with that key lets them in: enqueue one",
    )


def orphans(jobs: int) -> Finding:
    """Jobs run for workers that the store does not know, and are never given back."""
    return Finding(
        f"{jobs} jobs run for a worker that the store does not know", "restore the last backup, and report this"
    )
