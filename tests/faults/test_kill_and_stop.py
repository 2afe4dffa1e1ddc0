"""Workers that are killed and stopped at random moments, and what a history checker says of it afterwards."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.faults.history import Kept, Run, faults
from tests.processes.workers import PATIENCE_S, Workshop

from oakum.model.ids import id_text
from oakum.model.job import JobQuery, JobView, State

SOURCE = """
def log(word):
    line = f"{current().job_id} {current().token} {word} {time.monotonic_ns()}\\n"
    fd = os.open(os.path.join(HERE, "runs"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)

@app.task(queue="after")
def after(job: str) -> None: ...

@app.task
def work(n: int) -> int:
    log("began")
    after.using(on_success=True).enqueue(current().job_id)  # in the commit of this job's end, or never
    time.sleep(0.001)
    log("ended")
    return n

@app.task
def linger() -> int:
    log("began")
    after.using(on_success=True).enqueue(current().job_id)
    while current().token == 1 and not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
    log("ended")
    return current().token
"""
VICTIMS = ["oakum-child"] * 18 + ["oakum-template"] * 9 + ["oakum-worker"] * 9


@pytest.fixture
def shop(tmp_path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


def rows(shop: Workshop, task: str) -> Iterator[JobView]:
    query = JobQuery(task=f"shop.{task}", limit=10_000)
    while True:
        page = shop.app.store.jobs(query)
        yield from page.jobs
        if page.before is None:
            return
        query = JobQuery(task=query.task, limit=query.limit, before=page.before)


def history(shop: Workshop, task: str) -> tuple[list[Run], list[Kept]]:
    moments: dict[tuple[str, int], dict[str, int]] = {}
    for line in (shop.path / "runs").read_text().splitlines():
        job, token, word, at = line.split()
        moments.setdefault((job, int(token)), {})[word] = int(at)
    runs = [Run(job, token, each["began"], each.get("ended")) for (job, token), each in moments.items()]
    completed = Counter(shop.tasks.after.arguments.unpack(row.payload)[0][0] for row in rows(shop, "after"))
    kept = [Kept(id_text(row.id), row.state, row.token, completed[id_text(row.id)]) for row in rows(shop, task)]
    return runs, kept


def ended(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.task == "shop.work" and count.state.terminal)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_jobs_outlive_whatever_is_killed(shop: Workshop) -> None:
    luck = random.Random(7)
    jobs = [shop.tasks.work.job(n) for n in range(10_000)]
    shop.app.enqueue_many(jobs)
    workers = [shop.worker("--queues", "default") for _ in range(2)]
    for victim in luck.sample(VICTIMS, len(VICTIMS)):
        seen = ended(shop)
        shop.until(lambda seen=seen: ended(shop) > min(seen + 100, 9_900))
        place = luck.randrange(len(workers))
        if victim == "oakum-worker":
            workers[place].kill()
            workers[place].wait()
            workers[place] = shop.worker("--queues", "default")
        else:
            tree = shop.until(lambda place=place, victim=victim: shop.tree(workers[place]).get(victim))
            os.kill(luck.choice(tree), signal.SIGKILL)
    shop.until(lambda: ended(shop) == len(jobs))
    runs, kept = history(shop, "work")
    assert any(run.ended_ns is None for run in runs)  # some kill did cut a job short
    assert faults([id_text(job.id) for job in jobs], runs, kept) == []


@pytest.mark.slow
def test_what_a_worker_says_after_its_lease_changes_nothing(shop: Workshop) -> None:
    stopped = shop.worker("--queues", "default")
    job = shop.tasks.linger.enqueue()
    shop.until((shop.path / "runs").exists)
    stopped.send_signal(signal.SIGSTOP)  # the supervisor alone: its child goes on, and will have a result to tell
    shop.worker("--queues", "default")
    assert job.wait(PATIENCE_S) == 2
    (shop.path / "go").touch()
    ends = shop.until(lambda: [run for run in history(shop, "linger")[0] if run.token == 1 and run.ended_ns])
    assert ends  # the late result is there
    before = shop.app.store.story(job._id)
    stopped.send_signal(signal.SIGCONT)
    shop.until(lambda: "the lease was lost" in shop.said())
    assert shop.app.store.story(job._id) == before
    (row,) = history(shop, "linger")[1]
    assert (row.state, row.token, row.completed) == (State.COMPLETED, 2, 1)
