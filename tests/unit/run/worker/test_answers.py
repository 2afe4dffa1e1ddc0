"""What running jobs enqueue: stored in one commit, and each told its own end."""

from __future__ import annotations

import pytest

from oakum.errors import DuplicateJob, EnqueueUnknown, NotEnqueued, QueueFull
from oakum.model.bounds import Rules
from oakum.model.job import NewJob, Unique
from oakum.run.link.calls import Answer, Call, Stored, decode_answer, refusal
from oakum.run.link.wire import encode
from oakum.run.worker.answers import answer
from oakum.store.base import Instant
from oakum.store.memory.store import MemoryStore

NOW = Instant(1_000_000, 1_000_000)


@pytest.fixture
def store():
    store = MemoryStore()
    store.declare("queue", {"mail": Rules(max_jobs=1, on_full="reject")})
    return store


def job(number: int, queue: str = "default", unique: Unique | None = None) -> NewJob:
    return NewJob(number.to_bytes(16, "big"), "task", b"\x90", queue, unique=unique)


def sent(each: Answer) -> Answer:
    return decode_answer(encode(each))


def test_all_are_stored_at_once(store):
    owner = job(1, unique=Unique(b"key"))
    calls = [Call([owner, job(2)]), Call([job(3), job(4, unique=Unique(b"key"))])]
    assert answer(store, calls, NOW) == [Stored([]), Stored([(1, owner.id)])]


def test_one_that_is_refused_does_not_keep_the_others_out(store):
    store.insert([job(9, "mail"), job(8, unique=Unique(b"key"))], NOW)
    calls = [Call([job(1)]), Call([job(2, "mail")]), Call([job(3, unique=Unique(b"key", "reject"))]), Call([job(4)])]
    first, full, duplicate, last = map(sent, answer(store, calls, NOW))
    assert first == last == Stored([])
    with pytest.raises(QueueFull, match="queue mail") as caught:
        raise full.error()
    assert vars(caught.value) == {
        "queue": "mail", "jobs": 1, "bytes": 1, "max_jobs": 1, "max_bytes": None, "on_full": "reject",
    }  # fmt: skip
    with pytest.raises(DuplicateJob) as caught:
        raise duplicate.error()
    assert caught.value.job_id


@pytest.mark.parametrize("error", [NotEnqueued("disk"), EnqueueUnknown("perhaps")])
def test_errors_keep_their_class(error):
    again = sent(refusal(error)).error()
    assert (type(again), str(again)) == (type(error), str(error))
