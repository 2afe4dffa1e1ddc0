"""An application that writes down what happens to it, a siege of its workers, and the history that follows for the checker."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults.history import Kept, Run
from tests.processes.workers import Workshop, kill, put, whole_lines

from oakum.cli.main import EXIT_CANNOT_RUN
from oakum.model.ids import id_text
from oakum.model.job import JobQuery, JobView, NewJob

SOURCE = """
def log(word):
    line = f"{current().job_id} {current().token} {word} {time.monotonic_ns()}\\n"
    fd = os.open(os.path.join(HERE, "runs"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)

@app.task(queue="after")
def after(job: str) -> None: ...

def held(n):
    try:
        with open(os.path.join(HERE, "hold")) as file:
            return n >= int(file.read())
    except FileNotFoundError:
        return False

@app.task
def work(n: int) -> int:
    log("began")
    after.using(on_success=True).enqueue(current().job_id)  # in the commit of this job's end, or never
    time.sleep(0.001)
    while held(n):
        time.sleep(0.01)
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


def siege(shop: Workshop, jobs: Sequence[NewJob], luck: random.Random, between: int) -> None:
    """Has two workers run `jobs` of the task `work`, and kills one of VICTIMS after every `between` jobs or more.

    The last jobs, by their arguments from 0 on, don't end before: however slow this process is, its kills find some that run.
    """
    hold, most = shop.path / "hold", int(len(jobs) * 0.9)  # of the others, too, some come back late from a crash
    put(hold, str(int(len(jobs) * 0.99)))
    shop.app.enqueue_many(jobs)
    workers = [shop.worker("--queues", "default") for _ in range(2)]

    def tree(place: int) -> dict[str, list[int]]:
        """A worker's processes. One that gave up, as it may after three templates were killed, is started again by whoever runs it."""
        if workers[place].poll() is not None:
            assert workers[place].returncode in (-signal.SIGKILL, EXIT_CANNOT_RUN), shop.said()
            workers[place] = shop.worker("--queues", "default")
        return shop.tree(workers[place])

    for victim in luck.sample(VICTIMS, len(VICTIMS)):
        seen, place = ended(shop), luck.randrange(len(workers))
        shop.until(lambda seen=seen: all(map(tree, range(2))) and ended(shop) >= min(seen + between, most))
        if victim == "oakum-worker":
            workers[place].kill()
            workers[place].wait()
        else:
            shop.until(lambda place=place, victim=victim: killed(luck, tree(place).get(victim)))
    hold.unlink()
    for least in (*range(1000, len(jobs), 1000), len(jobs)):  # the more there are left, the longer it may take
        shop.until(lambda least=least: all(map(tree, range(2))) and ended(shop) >= least)


def killed(luck: random.Random, found: Sequence[int] | None) -> bool:
    """Whether one of `found` was hit: a child may end by itself between being seen and being killed."""
    return bool(found) and kill(luck.choice(found))


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
    for line in whole_lines(shop.path / "runs"):
        job, token, word, at = line.split()
        moments.setdefault((job, int(token)), {})[word] = int(at)
    runs = [Run(job, token, each["began"], each.get("ended")) for (job, token), each in moments.items()]
    completed = Counter(shop.tasks.after.arguments.unpack(row.payload)[0][0] for row in rows(shop, "after"))
    kept = [Kept(id_text(row.id), row.state, row.token, completed[id_text(row.id)]) for row in rows(shop, task)]
    return runs, kept


def ended(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.task == "shop.work" and count.state.terminal)
