"""Records lie in pages by id: whatever order ids come in, none is lost, and no page grows beyond its bound."""

from __future__ import annotations

import random

import pytest

from oakum.model.job import JobQuery, NewJob, State


def sizes(server) -> list[int]:
    with server.client as client:
        return [client.hlen(key) for key in client.scan_iter("{oakum}:page:*")]


def insert(user, numbers) -> None:
    jobs = [NewJob(number.to_bytes(16, "big"), "t", b"p") for number in numbers]
    for first in range(0, len(jobs), 97):
        assert user.store.insert(jobs[first : first + 97], user.now) == []


def listed(user) -> list[int]:
    found, before = [], None
    while True:
        page = user.store.jobs(JobQuery(limit=100, before=before))
        found += [int.from_bytes(view.id, "big") for view in page.jobs]
        before = page.before
        if before is None:
            return found


def test_rising_ids_fill_their_pages(server, user):
    insert(user, range(1000, 2000))
    assert sorted(sizes(server))[1:] == [64] * 15
    assert listed(user) == list(range(1999, 999, -1))


def test_ids_in_any_order(server, user):
    chance = random.Random(7)
    numbers = list({chance.getrandbits(120): None for _ in range(1500)})
    insert(user, numbers)
    assert max(sizes(server)) <= 64
    assert sum(sizes(server)) == 1500
    assert listed(user) == sorted(numbers, reverse=True)
    insert(user, numbers)
    assert [count.jobs for count in user.store.counts()] == [1500]


def test_ids_that_nearly_rise(server, user):
    chance = random.Random(11)
    numbers = list(range(1000, 3000))
    for first in range(0, len(numbers), 20):  # as of several producers, whose batches overlap
        part = numbers[first : first + 40]
        chance.shuffle(part)
        numbers[first : first + 40] = part
    insert(user, numbers)
    insert(user, numbers[::3])
    assert max(sizes(server)) <= 64
    assert listed(user) == list(range(2999, 999, -1))
    assert [count.jobs for count in user.store.counts()] == [2000]


def test_the_greatest_id_is_found_where_it_was_not_kept(server, user):
    insert(user, range(0, 300, 2))
    with server.client as client:
        assert client.hdel("{oakum}:meta", "top") == 1
    insert(user, range(250, 350))
    assert [count.jobs for count in user.store.counts()] == [225]
    assert listed(user) == sorted({*range(0, 300, 2), *range(250, 350)}, reverse=True)


def test_falling_ids(server, user):
    insert(user, range(900, 0, -1))
    assert max(sizes(server)) <= 64
    assert len(sizes(server)) < 40
    assert listed(user) == list(range(900, 0, -1))


def test_pages_that_are_empty_go(server, user):
    jobs = user.insert(500)
    user.store.cancel([job.id for job in jobs[64:]], user.now)
    user.clock.advance(1e6)
    assert user.store.prune(user.now) == 436
    assert sizes(server) == [64]
    insert(user, [1, (1 << 128) - 1])
    assert len(listed(user)) == 66


@pytest.mark.parametrize("size", [1, 300])
def test_many_jobs_of_a_page_are_read_in_one_call(server, user, size):
    """Small ones with their page, which is one piece of memory; large ones by themselves."""
    jobs = [user.job(bytes([number]) * size) for number in range(130)]
    assert user.store.insert(jobs, user.now) == []
    with server.client as client:
        encodings = {client.object("encoding", key) for key in client.scan_iter("{oakum}:page:*")}
    assert encodings == {b"listpack" if size == 1 else b"hashtable"}
    claimed = user.claim(user.worker(), limit=100)
    assert [job.payload for job in claimed] == [job.payload for job in jobs[:100]]
    states = user.store.cancel([job.id for job in reversed(jobs)], user.now)
    assert [states[job.id] for job in jobs] == [State.RUNNING] * 100 + [State.CANCELLED] * 30


def test_a_page_of_few_small_jobs_is_one_piece_of_memory(server, user):
    user.insert(64)
    with server.client as client:
        (page,) = client.scan_iter("{oakum}:page:*")
        assert client.object("encoding", page) == b"listpack"
