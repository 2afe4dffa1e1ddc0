"""Bounds and limits among real processes: producers, workers, and an operator who changes the rules."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop

from oakum import QueueFull
from oakum.model.bounds import Rules
from oakum.model.job import JobQuery, State

SOURCE = """
mail = app.queue("mail", max_jobs=40, block_for="60s")
calls = app.queue("calls", max_jobs=40, on_full="reject")
app.queue("tenants")
app.queue("slow", rate="4/1s")

@app.task(queue="mail")
def send(n: int) -> None: ...

@app.task(queue="calls")
def call(n: int) -> None: ...

@app.task(limit=1)
def alone(n: int) -> None:
    mark("begin")
    time.sleep(0.02)
    mark("end")

@app.task(queue="tenants")
def step(tenant: str, n: int) -> None:
    mark(f"{tenant} begin {n}")
    time.sleep(0.005)
    mark(f"{tenant} end {n}")

@app.task(queue="slow")
def slow() -> None:
    mark(f"{time.time()}")

@app.task(retries=Retry(500, delay="100ms", factor=1))
def parent() -> str:
    try:
        call.enqueue(1)
    except QueueFull as error:
        mark(f"full {error.queue} {error.jobs} of {error.max_jobs}")
    send.using(on_success=True).enqueue(2)
    mark("done")
    return "parent"
"""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def shop(request, tmp_path: Path) -> Iterator[Workshop]:
    url = "" if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_store_url")
    shop = Workshop(tmp_path, f"app = Oakum({url!r})\n{SOURCE}" if url else SOURCE)
    yield shop
    shop.close()


def producer(shop: Workshop, code: str) -> subprocess.Popen[str]:
    """A process that imports the application and does something with it."""
    words = [sys.executable, "-c", f"from shop import *\n{code}"]
    return subprocess.Popen(words, cwd=shop.path, stdout=subprocess.PIPE, text=True)


def living(shop: Workshop, queue: str) -> int:
    return sum(each.jobs for each in shop.app.store.counts() if each.queue == queue and not each.state.terminal)


def ended(shop: Workshop, queue: str) -> int:
    return sum(each.jobs for each in shop.app.store.counts() if each.queue == queue and each.state.terminal)


def test_many_producers_never_pass_the_bound(shop):
    code = """
stored = 0
for n in range(30):
    try:
        print(call.enqueue(n).id)
    except QueueFull:
        print("full")
"""
    producers = [producer(shop, code) for _ in range(4)]
    lines = [line for each in producers for line in each.communicate(timeout=PATIENCE_S)[0].split()]
    assert [each.returncode for each in producers] == [0] * 4
    stored = [line for line in lines if line != "full"]
    assert (len(stored), len(lines)) == (40, 120)
    assert living(shop, "calls") == 40
    assert {shop.app.job(each).state for each in stored} == {"available"}


def test_producers_that_wait_go_on_when_a_worker_makes_room(shop):
    """By the store's bell alone: nobody looks in between."""
    deaf = "from oakum.run import door; door.POLL_S = 3600.0\n"
    code = f"{deaf}print(app.enqueue_many(send.job(n) for n in range(100)))"
    asynchronous = f"""{deaf}
import asyncio
async def main():
    await asyncio.gather(*(send.aenqueue(n) for n in range(100)))
asyncio.run(main())
print(100)
"""
    producers = [producer(shop, code), producer(shop, asynchronous)]
    shop.until(lambda: living(shop, "mail") == 40)
    assert [each.poll() for each in producers] == [None, None]
    shop.worker()
    seen = []
    shop.until(lambda: seen.append(living(shop, "mail")) or ended(shop, "mail") == 200)
    assert [each.communicate(timeout=PATIENCE_S)[0].strip() for each in producers] == ["100", "100"]
    assert max(seen) <= 40


def test_who_waits_in_vain_is_told_the_figures(shop):
    shop.app.enqueue_many(shop.tasks.send.job(n) for n in range(40))
    with pytest.raises(QueueFull) as caught:
        shop.tasks.send.using(block_for="100ms").enqueue(1)
    assert (caught.value.jobs, caught.value.max_jobs) == (40, 40)


def test_a_limit_holds_over_two_workers(shop):
    shop.app.enqueue_many(shop.tasks.alone.job(n) for n in range(12))
    for _ in range(2):
        shop.worker()
    shop.until(lambda: ended(shop, "default") == 12)
    assert shop.marks() == ["begin", "end"] * 12


def test_jobs_of_one_key_keep_their_order_and_tenants_take_turns(shop):
    for tenant, jobs in (("noisy", 60), ("quiet", 3)):
        using = shop.tasks.step.using(key=tenant)
        shop.app.enqueue_many(using.job(tenant, n) for n in range(jobs))
    for _ in range(2):
        shop.worker()
    shop.until(lambda: ended(shop, "tenants") == 63)
    marks = shop.marks()
    for tenant, jobs in (("noisy", 60), ("quiet", 3)):
        order = [f"{tenant} {what} {n}" for n in range(jobs) for what in ("begin", "end")]
        assert [mark for mark in marks if mark.startswith(tenant)] == order
    before = [mark for mark in marks[: marks.index("quiet end 2")] if re.match("noisy end", mark)]
    assert len(before) < 40, "the quiet one did not wait for the noisy one's sixty"


def test_a_rate_holds_over_two_workers(shop):
    for _ in range(2):
        shop.worker()
    before = time.time()
    shop.app.enqueue_many(shop.tasks.slow.job() for _ in range(12))
    shop.until(lambda: ended(shop, "slow") == 12)
    times = sorted(float(mark) for mark in shop.marks())
    assert times[-1] - before > 1.9, "four at once, and then eight more, one every quarter of a second"


def test_an_override_takes_effect_in_all_processes(shop):
    send, mail = shop.tasks.send, shop.tasks.mail
    shop.app.enqueue_many(send.job(n) for n in range(40))
    waits = producer(shop, "print(send.enqueue(1).state)")
    with ThreadPoolExecutor(1) as pool:
        here = pool.submit(send.enqueue, 1)
        mail.configure(max_jobs=42)
        assert waits.communicate(timeout=PATIENCE_S)[0].strip() == "available"
        assert here.result(PATIENCE_S).state == "available"
    assert mail.depth() == 42
    shop.worker()
    shop.until(lambda: ended(shop, "mail") == 42)
    ruled = shop.app.store.rules("queue")["mail"]
    assert (ruled.declared.max_jobs, ruled.rules.max_jobs) == (40, 42), "a worker that starts leaves it in force"
    mail.reset()
    assert mail.rules == Rules(max_jobs=40)


def test_a_job_whose_followers_do_not_fit_fails_and_is_tried_again(shop):
    using = shop.tasks.send.using(delay="1h")
    jobs = [using.enqueue(n) for n in range(40)]
    shop.app.enqueue_many(shop.tasks.call.using(delay="1h").job(n) for n in range(40))
    shop.worker()
    others = [shop.tasks.alone.enqueue(n) for n in range(3)]
    job = shop.tasks.parent.enqueue()
    shop.until(lambda: len(shop.outcomes(job)) > 1)
    assert "full calls 40 of 40" in shop.marks()
    failed = shop.outcomes(job)[0]
    assert failed.type == "oakum.errors.QueueFull"
    shop.until(lambda: job.state == "scheduled")
    assert "queue mail" in failed.message
    assert living(shop, "mail") == 40
    for other in others:
        other.wait("60s")
    jobs[0].cancel()
    assert job.wait("60s") == "parent"
    shop.until(lambda: shop.app.store.jobs(JobQuery(states=(State.COMPLETED,), queue="mail")).jobs)


def test_a_bound_below_what_waits_is_said_by_the_worker(shop):
    shop.app.enqueue_many(shop.tasks.send.using(delay="1h").job(n) for n in range(40))
    shop.rewrite("max_jobs=40, block_for", "max_jobs=30, block_for")
    shop.worker()
    shop.until(lambda: "queue mail: max_jobs=30 is below the 40 jobs that it holds already" in shop.said())
