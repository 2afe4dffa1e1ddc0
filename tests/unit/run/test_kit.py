"""The test kit, and through it all that a job can meet in a process: arguments, results, retries, delays, keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from oakum import (
    JobCancelled,
    JobExpired,
    JobFailed,
    Oakum,
    PayloadError,
    Retry,
    UsageError,
    WaitInsideJob,
    WaitTimeout,
    current,
)
from oakum.model.progress import decode_progress


@dataclass
class Parcel:
    name: str
    weight: Decimal
    sent: datetime
    key: UUID
    label: bytes


@pytest.fixture
def app():
    return Oakum("memory://")


def test_a_plain_call_is_a_plain_call(app):
    @app.task
    def double(n: int) -> int:
        return 2 * n

    with app.testing() as kit:
        assert double(4) == 8
        assert kit.jobs() == []


def test_jobs_wait_until_they_are_drained(app):
    @app.task
    def double(n: int) -> int:
        return 2 * n

    with app.testing() as kit:
        job = double.enqueue(21)
        assert job.state == "available"
        assert kit.calls(double) == [((21,), {})]
        assert kit.drain() == 1
        assert job.state == "completed"
        assert job.wait() == 42


async def awaited(job):
    return await job


def test_waiting_runs_what_is_due_and_says_what_is_not(app):
    @app.task
    def double(n: int) -> int:
        return 2 * n

    with app.testing() as kit:
        assert double.enqueue(3).wait() == 6
        later = double.using(delay="5m").enqueue(5)
        with pytest.raises(WaitTimeout, match="not due"):
            later.wait()
        with pytest.raises(WaitTimeout, match="not due"):
            asyncio.run(awaited(later))
        assert kit.advance("5m") == 1
        assert later.wait() == 10


def test_inline_runs_at_once(app):
    ran = []

    @app.task
    def note(n: int) -> None:
        ran.append(n)

    with app.testing(inline=True):
        note.enqueue(1)
        app.enqueue_many(note.job(n) for n in (2, 3))
    assert ran == [1, 2, 3]


def test_values_come_back_by_their_annotations(app):
    @app.task
    def echo(parcel: Parcel, parts: tuple[int, ...], *, note: str = "") -> Parcel:
        assert isinstance(parcel, Parcel)
        assert parts == (1, 2)
        return Parcel(parcel.name + note, parcel.weight, parcel.sent, parcel.key, parcel.label)

    parcel = Parcel("p", Decimal("1.10"), datetime(2026, 1, 2, tzinfo=UTC), UUID(int=7), b"\x00\xff")
    with app.testing():
        assert echo.enqueue(parcel, (1, 2), note="!").wait() == Parcel(
            "p!", parcel.weight, parcel.sent, parcel.key, parcel.label
        )


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((), {}, "missing a required argument: 'path'"),
        (("a", "wide"), {}, "width: Expected `int`, got `str`"),
        (("a",), {"widht": 3}, "unexpected keyword argument 'widht'"),
        (("a", 1, 2), {}, "too many positional arguments"),
    ],
)
def test_wrong_arguments_are_told_with_the_signature(app, args, kwargs, says):
    @app.task
    def thumbnail(path: str, width: int = 3) -> str:
        return path * width

    with app.testing() as kit:
        with pytest.raises(UsageError, match=r"thumbnail\(path: str, width: int = 3\) -> str: ") as caught:
            thumbnail.enqueue(*args, **kwargs)
        assert says in str(caught.value)
        assert kit.jobs() == []


def test_what_cannot_be_stored_is_refused(app):
    @app.task
    def take(thing: object) -> None: ...

    small = Oakum("memory://", max_payload="1KiB", max_result="1KiB")

    @small.task
    def grow(text: str) -> str:
        return text * 1000

    with app.testing(), pytest.raises(PayloadError, match="cannot be stored"):
        take.enqueue(object())
    with small.testing():
        with pytest.raises(PayloadError, match=r"more than 1\.00 KiB"):
            grow.enqueue("x" * 2000)
        with pytest.raises(JobFailed, match="the result takes"):
            grow.enqueue("xx").wait()


def test_retries_by_exception_type(app):
    tries = []

    @app.task(retries={ConnectionError: Retry(2, delay="10s", jitter=0), ValueError: 0, Exception: 1})
    def fetch(kind: str) -> str:
        tries.append(current().attempt)
        if kind == "flaky" and len(tries) < 3:
            raise ConnectionResetError("reset")
        if kind == "wrong":
            raise ValueError("never mind")
        return "ok"

    with app.testing() as kit:
        flaky = fetch.enqueue("flaky")
        kit.drain()
        assert (flaky.state, tries) == ("scheduled", [1])
        kit.advance("9s")
        assert tries == [1]
        kit.advance("1s")
        assert tries == [1, 2]
        kit.advance("20s")
        assert flaky.wait() == "ok"
        tries.clear()
        wrong = fetch.enqueue("wrong")
        with pytest.raises(JobFailed) as failed:
            wrong.wait()
        assert (failed.value.type, failed.value.message, tries) == ("ValueError", "never mind", [1])
        assert "raise ValueError" in failed.value.traceback
        assert "oakum/run" not in failed.value.traceback


def test_a_task_may_name_its_own_exceptions(app):
    class OutOfStock(Exception):
        pass

    @app.task(raises=[OutOfStock])
    def order() -> None:
        raise OutOfStock("no more of them")

    with app.testing(), pytest.raises(OutOfStock, match="no more of them"):
        order.enqueue().wait()


def test_snoozing_spends_no_try(app):
    seen = []

    @app.task
    def patient() -> str:
        seen.append((current().attempt, current().token))
        if len(seen) < 3:
            current().snooze("1m")
        return "done"

    with app.testing() as kit:
        job = patient.enqueue()
        assert kit.advance("2m") == 3
        assert job.wait() == "done"
        assert seen == [(1, 1), (1, 2), (1, 3)]


def test_priority_then_age_then_order(app):
    ran = []

    @app.task
    def note(name: str) -> None:
        ran.append(name)

    with app.testing() as kit:
        note.enqueue("first")
        note.using(priority=-1).enqueue("last")
        note.enqueue("second")
        note.using(priority=9).enqueue("urgent")
        kit.drain()
    assert ran == ["urgent", "first", "second", "last"]


def test_expiry_and_cancelling(app):
    @app.task(expires="1m")
    def refresh() -> None: ...

    with app.testing() as kit:
        late, unwanted = refresh.enqueue(), refresh.using(delay="30s").enqueue()
        assert unwanted.cancel() == "cancelled"
        kit.clock.advance(61)
        kit.drain()
        with pytest.raises(JobExpired):
            late.wait()
        with pytest.raises(JobCancelled):
            unwanted.wait()


def test_unique_and_idempotent(app):
    @app.task
    def send(to: str) -> None: ...

    with app.testing() as kit:
        once = send.using(unique="args")
        first = once.enqueue("ann")
        assert once.enqueue("ann") == first
        assert once.enqueue("bob") != first
        kit.drain()
        assert once.enqueue("ann") != first  # it has ended
        keyed = send.using(idempotency_key="order 7")
        order = keyed.enqueue("ann")
        kit.drain()
        assert keyed.enqueue("ann") == order  # for a day after its end
        kit.advance("25h")
        assert keyed.enqueue("ann") != order


def test_jobs_that_jobs_enqueue(app):
    ran = []

    @app.task
    def child(n: int) -> None:
        ran.append(n)

    @app.task
    def parent(fails: bool) -> None:
        child.enqueue(1)
        child.using(on_success=True).enqueue(2)
        if fails:
            raise RuntimeError("after all")

    with app.testing() as kit:
        parent.enqueue(False)
        kit.drain()
        assert ran == [1, 2]
        ran.clear()
        parent.enqueue(True)
        kit.drain()
        assert ran == [1]
        with pytest.raises(UsageError, match="on_success=True is for a job"):
            child.using(on_success=True).enqueue(3)


def test_waiting_inside_a_job_is_refused_with_a_pointer(app):
    @app.task
    def inner() -> int:
        return 1

    @app.task
    def outer() -> int:
        return inner.enqueue().wait()

    with app.testing(), pytest.raises(JobFailed, match="on_success=True") as failed:
        outer.enqueue().wait()
    assert failed.value.type == f"{WaitInsideJob.__module__}.{WaitInsideJob.__qualname__}"


def test_async_tasks_and_async_callers(app):
    @app.task
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    async def main() -> int:
        job = await later.aenqueue(1)
        assert await app.aenqueue_many(later.job(n) for n in range(3)) == 3
        return await job

    with app.testing() as kit:
        assert asyncio.run(main()) == 2
        kit.drain()
        assert len(kit.jobs(later, "completed")) == 4


def test_middleware_wraps_in_order(app):
    heard = []

    @app.middleware
    def outer(job, call_next):
        heard.append(f"outer {job.attempt}")
        return call_next() + 1

    @app.middleware
    def inner(job, call_next):
        heard.append("inner")
        return call_next() * 10

    @app.task
    def four() -> int:
        return 4

    with app.testing():
        assert four.enqueue().wait() == 41
    assert heard == ["outer 1", "inner"]


def test_progress_is_seen(app):
    seen = []

    @app.task
    def work() -> None:
        current().progress(1, 3, "begun")
        seen.extend(decode_progress(job.progress) for job in kit.jobs(work))

    with app.testing() as kit:
        work.enqueue()
        kit.drain()
    assert [(each.done, each.total, each.note) for each in seen] == [(1, 3, "begun")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"memory": "lots"}, "memory: 'lots' is not a size"),
        ({"timeout": "-3s"}, "timeout: '-3s' is not a duration"),
        ({"priority": 10**9}, "priority"),
        ({"retries": -1}, "retries"),
        ({"memory": "2MiB", "memory_max": "1MiB"}, "is less than memory"),
        ({"memroy": "1MiB"}, "there is no option 'memroy'"),
        ({"queue": "mail\n"}, "is not a name"),
    ],
)
def test_wrong_declarations_are_told_in_one_line(app, options, says):
    with pytest.raises(UsageError) as caught:
        app.task(**options)(lambda: None)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_calls_are_told_in_one_line(app):
    @app.task
    def work() -> None: ...

    soon = datetime.now(UTC) + timedelta(minutes=1)
    for options, says in (
        ({"delay": "1m", "run_at": soon}, "give one of them"),
        ({"run_at": soon.replace(tzinfo=None)}, "no time zone"),
        ({"unique": "yes"}, "unique"),
        ({"tags": "one"}, "tags"),
        ({"colour": 1}, "there is no option 'colour'"),
    ):
        with pytest.raises(UsageError, match=says):
            work.using(**options)
    with pytest.raises(UsageError, match="current"):
        current()
