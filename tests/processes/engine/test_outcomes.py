"""How a job can end in a real worker: each outcome, each charged to the right budget, each with its reason."""

from __future__ import annotations

import pytest
from tests.support.workplace import Workplace, until

from oakum import JobCancelled, JobExpired, JobFailed, JobQuarantined


def test_values_pass_both_ways_by_their_annotations(place: Workplace) -> None:
    work = place.write("""
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from msgspec import Struct

class Label(Struct):
    raw: bytes

@dataclass
class Parcel:
    weight: Decimal
    sent: datetime
    key: UUID
    label: Label

@app.task
def echo(parcel: Parcel) -> Parcel:
    assert type(parcel.label) is Label, parcel
    return parcel
""")
    sent = work.datetime.fromisoformat("2026-01-02T03:04:05.678901+02:00")
    parcel = work.Parcel(work.Decimal("1.10"), sent, work.UUID(int=7), work.Label(b"\x00\xff"))
    place.worker()
    assert work.echo.enqueue(parcel).wait("60s") == parcel


def test_failures_retries_and_results_too_large(place: Workplace) -> None:
    work = place.write("""
app.max_result = 1000

@app.task(retries={ConnectionError: Retry(2, delay="10ms"), ValueError: 0})
def flaky(kind: str) -> int:
    if kind == "wrong":
        raise ValueError("never mind")
    if current().attempt < 3:
        raise ConnectionResetError("reset")
    return current().attempt

@app.task
def large() -> str:
    return "x" * 2000

@app.task
def leaves() -> None:
    sys.exit("enough")
""")
    place.worker()
    flaky = work.flaky.enqueue("reset")
    assert flaky.wait("60s") == 3
    assert place.outcomes(flaky) == ["failed", "failed", "completed"]
    with pytest.raises(JobFailed) as failed:
        work.flaky.enqueue("wrong").wait("60s")
    assert (failed.value.type, failed.value.message) == ("ValueError", "never mind")
    assert 'raise ValueError("never mind")' in failed.value.traceback
    with pytest.raises(JobFailed, match="the result takes"):
        work.large.enqueue().wait("60s")
    with pytest.raises(JobFailed, match="SystemExit: enough"):
        work.leaves.enqueue().wait("60s")


def test_snoozing_and_expiring(place: Workplace) -> None:
    work = place.write("""
@app.task
def patient() -> int:
    if current().token < 3:
        current().snooze("10ms")
    return current().attempt
""")
    late = work.patient.using(expires="1ms").enqueue()
    place.worker()
    with pytest.raises(JobExpired):
        late.wait("60s")
    job = work.patient.enqueue()
    assert job.wait("60s") == 1
    assert place.outcomes(job) == ["snoozed", "snoozed", "completed"]


@pytest.mark.parametrize("task", ["sync", "asynchronous", "deaf"])
def test_a_running_job_is_cancelled(place: Workplace, task: str) -> None:
    work = place.write("""
@app.task
def sync() -> None:
    note("begun")
    signal.pause()

@app.task
async def asynchronous() -> None:
    note("begun")
    await asyncio.Event().wait()

@app.task(kill_after="100ms")
def deaf() -> None:
    note("begun")
    while True:
        try:
            signal.pause()
        except BaseException:
            note("would not hear")
""")
    place.worker()
    job = work.app.tasks[f"work.{task}"].enqueue()
    until(place.notes)
    assert job.cancel() == "running"
    with pytest.raises(JobCancelled):
        job.wait("60s")
    assert place.outcomes(job) == ["cancelled"]
    assert place.notes() == (["begun", "would not hear"] if task == "deaf" else ["begun"])


def test_a_waiting_job_is_cancelled_and_never_runs(place: Workplace) -> None:
    work = place.write("""
@app.task
def run(word: str) -> None:
    note(word)
""")
    unwanted = work.run.enqueue("unwanted")
    assert unwanted.cancel() == "cancelled"
    place.worker()
    work.run.enqueue("wanted").wait("60s")
    assert place.notes() == ["wanted"]


@pytest.mark.parametrize("task", ["sync", "asynchronous", "deaf"])
def test_a_time_limit_is_kept(place: Workplace, task: str) -> None:
    work = place.write("""
@app.task(timeout="100ms")
def sync() -> None:
    try:
        signal.pause()
    finally:
        note("cleaned up")

@app.task(timeout="100ms")
async def asynchronous() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        note("cleaned up")

@app.task(timeout="100ms", kill_after="100ms")
def deaf() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    while True:
        time.sleep(60)
""")
    place.worker()
    with pytest.raises(JobFailed) as failed:
        work.app.tasks[f"work.{task}"].enqueue().wait("60s")
    assert failed.value.type == "TimedOut"
    assert ("had to be killed" in failed.value.message) == (task == "deaf")
    assert place.notes() == ([] if task == "deaf" else ["cleaned up"])


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("leaves", "ended by itself with status 7"),
        ("breaks", "was ended by SIGSEGV"),
        ("is_killed", "was ended by SIGKILL"),
    ],
)
def test_a_job_that_takes_its_child_with_it_is_set_aside_and_harms_no_other(
    place: Workplace, task: str, says: str
) -> None:
    work = place.write("""
@app.task(crashes=2)
def leaves() -> None:
    os._exit(7)

@app.task(crashes=2)
def breaks() -> None:
    ctypes.string_at(0)

@app.task(crashes=2)
def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

@app.task
def fine(n: int) -> int:
    return n
""")
    place.worker()
    before = [work.fine.enqueue(n) for n in range(20)]
    bad = work.app.tasks[f"work.{task}"].enqueue()
    after = [work.fine.enqueue(n) for n in range(20)]
    with pytest.raises(JobQuarantined) as quarantined:
        bad.wait("60s")
    assert says in quarantined.value.message
    assert place.outcomes(bad) == ["lost", "lost"]
    assert [job.wait("60s") for job in before + after] == [*range(20), *range(20)]
    assert {tuple(place.outcomes(job)) for job in before + after} == {("completed",)}
