"""Queues with bounds, from the caller's side: who waits and for how long, what goes in, what a job is told."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from oakum import DuplicateJob, Oakum, QueueFull, Rate, Retry, Unique, UsageError
from oakum.model.bounds import Rules
from oakum.model.job import JobQuery, State
from oakum.run.rules import overfull

PATIENCE_S = 30


@pytest.fixture
def app():
    return Oakum("memory://")


@pytest.fixture
def send(app):
    app.queue("mail", max_jobs=3)

    @app.task(queue="mail")
    def send(n: int = 0) -> int:
        return n

    return send


def states(app):
    return {count.state: count.jobs for count in app.store.counts()}


# -- waiting for room --------------------------------------------------------------------------------------------------


def fill(app, send, jobs=3):
    return [send.using(block_for=0).enqueue(n) for n in range(jobs)]


def test_a_full_queue_refuses_with_its_figures(app, send):
    fill(app, send)
    with pytest.raises(QueueFull, match="queue mail") as caught:
        send.using(block_for=0).enqueue()
    assert (caught.value.queue, caught.value.jobs, caught.value.max_jobs, caught.value.on_full) == (
        "mail",
        3,
        3,
        "block",
    )
    assert states(app) == {State.AVAILABLE: 3}
    with pytest.raises(QueueFull):
        send.using(block_for="10ms").enqueue()


def test_a_caller_waits_for_room(app, send):
    first, *_ = fill(app, send)
    bells = app.store._tables.bells
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(send.enqueue, 7)
        while not bells:  # it listens: now it waits
            assert not waits.done()
        first.cancel()
        assert waits.result(PATIENCE_S).state == "available"


def test_the_queue_says_how_long_to_wait(app):
    app.queue("mail", max_jobs=1, block_for=0)
    app.queue("calls", max_jobs=1, on_full="reject")
    task = app.task(lambda: None)
    for queue in ("mail", "calls"):
        task.using(queue=queue).enqueue()
        with pytest.raises(QueueFull):
            task.using(queue=queue).enqueue()


def test_a_hundred_coroutines_wait_without_a_thread(app, send):
    jobs = fill(app, send)

    async def main():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        waits = [asyncio.create_task(send.aenqueue(n)) for n in range(100)]
        stored = 0
        while stored < 100:
            await asyncio.to_thread(lambda: None)  # would never come about if a waiter held the one thread
            for job in jobs:
                await asyncio.to_thread(job.cancel)
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            jobs[:] = [each.result() for each in done if each.result().state == "available"]
            stored = len(done)
        return stored

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE_S)) == 100
    assert states(app)[State.AVAILABLE] <= 3


def test_coroutines_give_up_in_time_also_those_in_line(app, send):
    fill(app, send)

    async def main():
        using = send.using(block_for="50ms")
        return await asyncio.gather(*(using.aenqueue() for _ in range(5)), return_exceptions=True)

    assert [type(each) for each in asyncio.run(main())] == [QueueFull] * 5


def test_threads_give_up_in_time_also_those_in_line(app, send):
    fill(app, send)
    with ThreadPoolExecutor(5) as pool:
        waits = [pool.submit(send.using(block_for="50ms").enqueue) for _ in range(5)]
        assert [type(each.exception(PATIENCE_S)) for each in waits] == [QueueFull] * 5


def test_who_waits_for_one_queue_does_not_keep_others_from_another(app, send):
    fill(app, send)
    app.queue("calls", max_jobs=1)
    other = send.using(queue="calls")
    held = other.enqueue()

    async def main():
        waits = asyncio.create_task(send.aenqueue())
        also = asyncio.create_task(other.aenqueue())
        while len(app.store._tables.bells) < 2:  # noqa: ASYNC110  # the store tells nobody that it is listened to
            await asyncio.sleep(0)
        held.cancel()
        assert (await also).state == "available"
        assert not waits.done()
        waits.cancel()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_many_jobs_go_in_as_room_comes(app, send):
    rooms = threading.Semaphore(0)

    def consume():
        done = 0
        while done < 20:
            rooms.acquire(timeout=0.01)
            for view in app.store.jobs(JobQuery(states=(State.AVAILABLE,))).jobs:
                app.store.cancel([view.id], app.desk.now())
                done += 1

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert app.enqueue_many(send.job(n) for n in range(20)) == 20
    consumer.join(PATIENCE_S)
    assert states(app) == {State.CANCELLED: 20}


def test_many_jobs_say_how_many_are_in(app):
    app.queue("mail", max_jobs=5, on_full="reject")
    send = app.task(queue="mail")(lambda n: n)
    with pytest.raises(QueueFull) as caught:
        app.enqueue_many(send.job(n) for n in range(8))
    assert caught.value.acknowledged == 5
    assert states(app) == {State.AVAILABLE: 5}


@pytest.mark.parametrize("is_async", [False, True])
def test_many_jobs_from_asyncio(app, is_async):
    app.queue("mail", max_jobs=1500, block_for="10ms")
    send = app.task(queue="mail")(lambda n: n)

    async def each():
        for n in range(1600):
            yield send.job(n)

    with pytest.raises(QueueFull) as caught:
        asyncio.run(app.aenqueue_many(each() if is_async else (send.job(n) for n in range(1600))))
    assert caught.value.acknowledged == 1500


def test_drops_are_seen(app):
    app.queue("mail", max_jobs=2, on_full="drop_oldest")
    send = app.task(queue="mail")(lambda n: n)
    jobs = [send.enqueue(n) for n in range(3)]
    assert [job.state for job in jobs] == ["expired", "available", "available"]
    app.queue("calls", max_jobs=2, on_full="drop_newest")
    jobs = [send.using(queue="calls").enqueue(n) for n in range(3)]
    assert [job.state for job in jobs] == ["available", "available", "expired"]


# -- declaring and changing --------------------------------------------------------------------------------------------


def test_rules_come_to_the_store_with_the_first_job(app, send):
    assert app.store.rules("queue") == {}
    send.enqueue()
    assert app.store.rules("queue")["mail"].rules.max_jobs == 3
    app.queue("late", max_jobs=1)
    send.enqueue()
    assert app.store.rules("queue")["late"].rules.max_jobs == 1


def test_a_queue_is_changed_while_it_is_used(app, send):
    mail = app.queues["mail"]
    fill(app, send)
    mail.configure(max_jobs=4, rate="1/s")
    send.using(block_for=0).enqueue()
    assert mail.depth() == 4
    assert mail.rules == Rules(max_jobs=4, rate=Rate(1, 1000))
    mail.configure(max_jobs=None)
    assert mail.rules == Rules(rate=Rate(1, 1000)), "what is not named stays"
    mail.reset()
    assert mail.rules == mail.declared == Rules(max_jobs=3)
    with pytest.raises(UsageError, match="queue mail: there is no option"):
        mail.configure(block_for="1s")


def test_a_task_is_limited_while_it_is_used(app):
    send = app.task(name="send", limit=3)(lambda: None)
    send.configure(rate="10/s")
    assert send.rules == Rules(limit=3, rate=Rate(10, 1000)), "what is not named stays"
    send.configure(limit=None)
    assert app.store.rules("task")["send"].override == send.rules == Rules(rate=Rate(10, 1000))
    send.reset()
    assert send.rules == Rules(limit=3)
    for options, words in [({"max_jobs": 3}, "there is no option 'max_jobs'"), ({"limit": -1}, "limit: -1 is not")]:
        with pytest.raises(UsageError, match=f"task send: {words}"):
            send.configure(**options)


def test_the_whole_store_is_bounded_while_it_is_used(app):
    app.set_max_store("2GiB")
    assert app.store.rules("store")[""].rules == Rules(max_bytes=2 << 30)
    app.set_max_store(None)
    assert app.store.rules("store") == {}
    with pytest.raises(UsageError, match="max_store: 'big' is not a size"):
        app.set_max_store("big")


def test_a_bound_below_what_waits_already_is_told_and_loses_nothing(app):
    send = app.task(queue="mail")(lambda n: n)
    app.enqueue_many(send.job(n) for n in range(5))
    app.queue("mail", max_jobs=2, block_for=0)
    with pytest.warns(RuntimeWarning, match="queue mail: max_jobs=2 is below the 5 jobs"), pytest.raises(QueueFull):
        send.enqueue(6)
    assert list(overfull(app.store, app.desk.declared["queue"]))
    assert states(app) == {State.AVAILABLE: 5}


# -- the test kit ------------------------------------------------------------------------------------------------------


def test_in_the_kit_what_can_run_makes_room(app, send):
    with app.testing() as kit:
        for n in range(5):
            send.enqueue(n)
        assert [view.state for view in kit.jobs()] == [State.COMPLETED] * 3 + [State.AVAILABLE] * 2
        kit.drain()
        for _ in range(3):
            send.using(delay="1h").enqueue()
        with pytest.raises(QueueFull):  # nothing is due, and nobody else is there: at once
            send.enqueue()
        with pytest.raises(QueueFull):
            asyncio.run(send.aenqueue())
        kit.advance("1h")
        assert send.enqueue().state == "available"


def test_in_the_kit_rates_and_keys_hold(app):
    app.queue("mail", rate="2/1m")
    ran = []
    send = app.task(name="send", queue="mail")(ran.append)
    with app.testing() as kit:
        app.enqueue_many(send.job(n) for n in range(4))
        assert kit.drain() == 2
        assert kit.advance("1m") == 2
    assert ran == [0, 1, 2, 3]


# -- inside a job ------------------------------------------------------------------------------------------------------


def test_a_job_is_refused_with_the_figures_and_never_waits(app, send):
    app.queue("other", max_jobs=1)
    seen = []

    @app.task
    def parent() -> None:
        for wanted in (send.using(queue="other"), send.using(unique=Unique(on_conflict="reject"))):
            try:
                wanted.enqueue()
                wanted.enqueue()
            except (QueueFull, DuplicateJob) as error:
                seen.append(error)

    with app.testing() as kit:
        parent.enqueue()
        kit.drain()
    assert [type(error) for error in seen] == [QueueFull, DuplicateJob]
    assert seen[0].jobs == seen[0].max_jobs == 1


def test_a_job_whose_followers_do_not_fit_fails_and_is_tried_again(app, send):
    starts = []

    @app.task(retries=Retry(1, delay="1m"))
    def parent() -> str:
        starts.append(1)
        send.using(on_success=True).enqueue(9)
        return "done"

    with app.testing() as kit:
        for n in range(3):
            send.using(delay="30s").enqueue(n)
        job = parent.enqueue()
        kit.drain()
        assert job.state == "scheduled"
        assert len(kit.jobs(send)) == 3, "the bound holds"
        kit.advance("2m")
        assert job.wait() == "done"
        assert len(kit.jobs(send)) == 4
    assert len(starts) == 2
