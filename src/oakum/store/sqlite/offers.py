"""Offers: what a worker with nothing to do would take, so that whoever puts such a job in gives it to him at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from oakum.model.job import Claimed, NewJob, State
from oakum.store.base import Given, Want
from oakum.store.sqlite import claim, rules
from oakum.store.sqlite.connection import fetch_all, fetch_one
from oakum.store.sqlite.database import Database
from oakum.store.sqlite.names import Names
from oakum.store.sqlite.tally import Tally

WORD_BYTES: Final = 32 * 1024  # of arguments that go with the word: who is given more than that reads them in the store

# Whoever was fenced does not know it yet, and nobody would look after what he were given.
_LEAVE: Final = """
INSERT OR REPLACE INTO offer(holder, turn, bell, queues, tasks, since)
SELECT number, ?, ?, ?, ?, ? FROM holder WHERE number = ? AND fenced = 0
"""
# Nothing may pass what waits. Of several workers the one that has just worked is the least likely to have been stopped.
_OPEN: Final = """
SELECT holder, turn, bell, max(since) FROM offer
WHERE seq IS NULL AND instr(queues, ?) AND instr(tasks, ?) AND bell <> ?
    AND NOT EXISTS(SELECT 1 FROM tally WHERE queue = ? AND state = 0 AND jobs > 0)
"""
_TAKE: Final = "UPDATE offer SET seq = ? WHERE holder = ?"
# One that was cancelled since stays where it is: whoever finds it there, the worker or who fences him, ends it.
_UNGIVE: Final = """
UPDATE job SET state = 0, holder = NULL WHERE seq = ? AND token = 1 AND holder = ? AND state = 1
    AND EXISTS(SELECT 1 FROM offer WHERE offer.holder = job.holder AND offer.seq = job.seq)
    AND NOT EXISTS(SELECT 1 FROM ask WHERE ask.seq = job.seq)
"""
_TAKEN: Final = """
SELECT 1 FROM offer JOIN holder ON holder.number = offer.holder
WHERE holder = ? AND turn = ? AND seq IS NOT NULL AND fenced = 0
"""


class Offer(NamedTuple):
    """Whose it is, its number, and where he hears of a job."""

    holder: int
    turn: int
    bell: str


class Gift(NamedTuple):
    """A job for a worker that offered to take one."""

    offer: Offer
    job: Claimed

    def word(self) -> bytes:
        """What the worker is told; nothing, which is a mere ring, where it would be too much."""
        return _encode(Given(self.offer.turn, self.job)) if len(self.job.payload) <= WORD_BYTES else b""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Given).decode


def leave(db: Database, names: Names, want: Want, bell: str, boot_ms: int) -> None:
    """See `oakum.store.base.OfferStore.offer`; the caller is in a write transaction, and all names have numbers.

    Without the queues that are paused, and without what has a limit, which is counted by whoever claims.
    """
    limited = set(rules.limited(db))
    paused = {queue for (queue,) in db.execute("SELECT queue FROM paused")}
    queues = {names.number(queue) for queue in want.queues if ("queue", queue) not in limited} - paused
    tasks = {names.number(task) for task in want.weights if ("task", task) not in limited}
    db.execute(_LEAVE, (want.turn, bell, _text(queues), _text(tasks), boot_ms, want.holder))


def void(db: Database) -> None:
    """What may be given has changed: who still waits has to claim."""
    db.execute("DELETE FROM offer WHERE seq IS NULL")


def _text(numbers: Iterable[int]) -> str:
    return f",{','.join(map(str, numbers))},"


def find(db: Database, queue: int, task: int, but: str) -> Offer | None:
    """The offer that a new job may be given under, None where it has to wait; not that of the worker with the bell `but`."""
    holder, turn, bell, _ = fetch_one(db, _OPEN, (f",{queue},", f",{task},", but, queue))
    return None if holder is None else Offer(holder, turn, bell)


def accept(db: Database, offer: Offer, job: NewJob, seq: int) -> Gift:
    """Takes an offer up for a job that has been written as its worker's: it stands no longer."""
    db.execute(_TAKE, (seq, offer.holder))
    given = Claimed(
        seq, job.id, job.task, job.queue, job.payload, 1,
        overrides=job.overrides, tags=job.tags, expires_ms=job.expires_ms,
    )  # fmt: skip
    return Gift(offer, given)


def take_back(db: Database, names: Names, gift: Gift, tally: Tally) -> None:
    """The worker is gone: its offer stands no longer, and the job waits; unless somebody has found it since."""
    holder, job = gift.offer.holder, gift.job
    db.execute(_UNGIVE, (job.ref, holder))
    if db.changes():
        db.execute("DELETE FROM offer WHERE holder = ?", (holder,))
        queue, task = names.number(job.queue), names.number(job.task)
        tally.move(queue, task, State.RUNNING, State.AVAILABLE, 1, len(job.payload))


def is_taken(db: Database, want: Want) -> bool:
    """Whether a job was given under the offer that may stand."""
    return bool(want.turn) and fetch_one(db, _TAKEN, (want.holder, want.turn)) is not None


def end(db: Database, names: Names, holder: int, turn: int) -> list[Claimed]:
    """See `oakum.store.base.OfferStore.withdraw`; the caller is in a write transaction."""
    given = fetch_all(db, "DELETE FROM offer WHERE holder = ? RETURNING turn, seq", (holder,))
    return [job for each, seq in given if each == turn for job in claim.one(db, names, holder, seq)]


def heard(rung: bool, word: bytes) -> list[Given | None]:
    """What a bell has brought."""
    rings: list[Given | None] = [None] if rung else []
    try:
        return [*rings, _decode(word)] if word else rings
    except msgspec.DecodeError:  # of another version, or nobody's: a look tells
        return [None]
