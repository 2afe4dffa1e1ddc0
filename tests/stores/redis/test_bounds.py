"""Bounds where Redis has to do more than compare: what was there before the rule, and words that only Python has."""

from __future__ import annotations

import pytest

from oakum.errors import QueueFull, StoreError
from oakum.model.bounds import Rules
from oakum.model.job import NewJob, State
from oakum.model.outcome import Expired, decode_record

DROP = Rules(max_jobs=1000, on_full="drop_oldest")


def states(user) -> dict[State, int]:
    return {count.state: count.jobs for count in user.store.counts()}


def test_a_queue_that_begins_to_drop_its_oldest_knows_those_that_were_there(server, user, use):
    old = user.insert(1500)
    user.store.declare("queue", {"default": DROP})
    user.insert(3)
    assert states(user) == {State.AVAILABLE: 1000, State.EXPIRED: 503}
    assert user.store.outcome(old[502].id)[0] is State.EXPIRED
    assert user.store.outcome(old[503].id)[0] is State.AVAILABLE
    use(server.url).insert()  # somebody who has not told yet how such a job ends
    state, record = user.store.outcome(old[503].id)
    assert state is State.EXPIRED
    assert decode_record(record).outcome == Expired("dropped: queue default is at its bound of 1,000 jobs")


def test_words_follow_the_rules(user):
    user.store.override("queue", "default", Rules(max_jobs=1, on_full="drop_newest"))
    user.insert(2)
    user.store.override("queue", "default", Rules(max_jobs=2, on_full="drop_newest"))
    (_, late) = user.insert(2)
    _, record = user.store.outcome(late.id)
    assert decode_record(record).outcome == Expired("dropped: queue default is at its bound of 2 jobs")


def test_a_queue_that_no_longer_drops_forgets_who_was_oldest(server, user):
    user.store.declare("queue", {"default": DROP})
    user.insert(5)
    with server.client as client:
        assert client.zcard("{oakum}:waiting:1") == 5
        user.store.declare("queue", {"default": Rules(max_jobs=1000)})
        assert client.exists("{oakum}:waiting:1") == 0


def test_a_refused_batch_leaves_no_trace(server, user):
    user.store.declare("queue", {"default": Rules(max_jobs=2)})
    user.insert()
    with server.client as client:
        before = {key: client.dump(key) for key in client.scan_iter()}
        with pytest.raises(QueueFull, match="1 of 2 jobs, and 2 more") as full:
            user.insert(2)
        assert {key: client.dump(key) for key in client.scan_iter()} == before
    assert (full.value.jobs, full.value.max_jobs, full.value.on_full) == (1, 2, "block")


def test_names_are_bounded(server, user):
    user.insert()
    with server.client as client:
        client.hset("{oakum}:number", mapping={f"name {number}": number for number in range(65_535)})
        with pytest.raises(StoreError, match="65535 names"):
            user.store.insert([NewJob(user.job().id, "one more", b"")], user.now)


def test_what_is_told_of_a_job_does_not_grow_with_the_names_that_there_are(server, user):
    (job,) = user.insert()
    worker = user.worker()
    with server.client as client:
        client.hset("{oakum}:text", mapping={number: f"name {number}" for number in range(10, 10_000)})
        before = client.info("stats")["total_net_output_bytes"]
        assert [claimed.task for claimed in user.claim(worker)] == ["t"]
        assert user.store.outcome(job.id)[0] is State.RUNNING
        assert user.store.story(job.id).job.queue == "default"
        assert (
            client.info("stats")["total_net_output_bytes"] - before < 20_000
        )  # the answer to INFO is some 6,000 of them
