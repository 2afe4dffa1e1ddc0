"""Steps to a newer layout that go batch by batch: cut off, taken up by whoever comes, and what an older worker may do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from oakum.errors import NotEnqueued, StoreTooNew
from oakum.model.job import State
from oakum.model.lifecycle import settle
from oakum.model.outcome import Completed
from oakum.model.task import TaskSpec
from oakum.store.redis import schema

PAGES = 20
AT_ONCE = 4
NOTES_PAGES = """
local pages = call('ZRANGEBYLEX', P .. 'pages', cursor and '(' .. cursor or '-', '+', 'LIMIT', 0, 1)
many('RPUSH', P .. 'seen:' .. VERSION, pages)
return go_on(pages[1])
"""


@pytest.fixture
def old(user):
    """A worker of this version, with a job at hand, in a store of some pages."""
    user.insert(64 * PAGES)
    worker = user.worker()
    (job,) = user.claim(worker, limit=1)
    user.end = lambda: user.store.settle(
        [settle(job, Completed(), None, TaskSpec("t"), user.now.wall_ms, 0.5)], worker, user.now
    )
    user.number, user.running = worker, job
    return user


@pytest.fixture
def newer(server, use, monkeypatch) -> Callable[..., None]:
    """Has an Oakum with more steps look at the store; this is the old one again then."""

    def newer(*steps: schema.Step) -> dict[State, int]:
        with monkeypatch.context() as patch:
            patch.setattr(schema, "VERSION", 1 + len(steps))
            patch.setattr(schema, "_STEPS", steps)
            return {count.state: count.jobs for count in use(server.url).store.counts()}

    return newer


def seen(server, version: int) -> int:
    """How many pages a step has noted. None of them twice."""
    with server.client as client:
        noted = client.lrange(f"{{oakum}}:seen:{version}", 0, -1)
    assert len(noted) == len(set(noted))
    return len(noted)


def told(server) -> bytes | None:
    with server.client as client:
        return client.hget("{oakum}:meta", "version")


def begin(server, step: schema.Step) -> None:
    """The first batch of the step to version 2, by somebody who then is no more."""
    with server.client as client:
        assert client.eval(schema.upgrade(step.batch, 2, ends=step.ends), 1, "{oakum}:") == 1


@pytest.mark.parametrize("ends", [True, False])
def test_a_step_that_was_cut_off_is_taken_up_where_it_ended(server, old, newer, ends):
    step = schema.Step(NOTES_PAGES, ends)
    begin(server, step)
    assert (told(server), seen(server, 2)) == (b"to 2", 1)
    for act in (old.insert, lambda: old.claim(old.number), lambda: old.store.cancel([old.running.id], old.now)):
        with pytest.raises((StoreTooNew, NotEnqueued), match="schema 2 was written by a newer Oakum"):
            act()
    assert newer(step) == {State.AVAILABLE: 64 * PAGES - 1, State.RUNNING: 1}
    assert (told(server), seen(server, 2)) == (b"2", PAGES)


def test_of_many_that_come_at_once_each_does_some_of_it(server, old, use, monkeypatch):
    step = schema.Step(NOTES_PAGES, ends=True)
    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setattr(schema, "_STEPS", (step, step))
    users, gate = [use(server.url) for _ in range(AT_ONCE)], Barrier(AT_ONCE)

    def look(user) -> int:
        gate.wait()
        return sum(count.jobs for count in user.store.counts())

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert list(threads.map(look, users)) == [64 * PAGES] * AT_ONCE
    assert (told(server), seen(server, 2), seen(server, 3)) == (b"3", PAGES, PAGES)


def test_steps_are_done_in_their_order_from_wherever_the_store_is(server, old, newer):
    step = schema.Step(NOTES_PAGES, ends=True)
    begin(server, step)
    newer(step, step)
    assert (told(server), seen(server, 2), seen(server, 3)) == (b"3", PAGES, PAGES)
    newer(step, step, step)
    assert (told(server), seen(server, 3), seen(server, 4)) == (b"4", PAGES, PAGES)
    assert old.end() == []


def test_of_a_step_that_is_done_nothing_is_done_again(server, old, newer):
    step = schema.Step(NOTES_PAGES, ends=True)
    newer(step, step)
    with server.client as client:
        before = client.hgetall("{oakum}:meta")
        for version in (2, 3):
            assert client.eval(schema.upgrade(step.batch, version, ends=True), 1, "{oakum}:") == 0
        assert client.hgetall("{oakum}:meta") == before
    assert (seen(server, 2), seen(server, 3)) == (PAGES, PAGES)


def test_an_older_worker_ends_what_it_has_begun(server, old, newer):
    newer(schema.Step(NOTES_PAGES, ends=True))
    with pytest.raises(StoreTooNew):
        old.claim(old.number)
    assert old.store.renew(old.number, 30_000, b"report", old.now)
    assert old.end() == []
    assert old.store.outcome(old.running.id)[0] is State.COMPLETED
    assert old.store.discharge(old.number)


@pytest.mark.parametrize("others", [1, 2])
def test_where_a_step_has_made_that_wrong_it_writes_nothing_and_the_job_stays_its_own(server, old, newer, others):
    """Until its lease is over: then the new workers have it. A later step does not allow again what one has forbidden."""
    steps = [schema.Step(NOTES_PAGES, ends=False)] + [schema.Step(NOTES_PAGES, ends=True)] * (others - 1)
    newer(*steps)
    with server.client as client:
        before = {key: client.dump(key) for key in client.scan_iter()}
        for act in (old.end, lambda: old.store.discharge(old.number), lambda: old.store.prune(old.now)):
            with pytest.raises(StoreTooNew, match="upgrade Oakum here"):
                act()
        assert {key: client.dump(key) for key in client.scan_iter()} == before
    assert newer(*steps)[State.RUNNING] == 1
