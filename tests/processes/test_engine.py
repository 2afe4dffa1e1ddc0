"""The engine in real processes: every way in which a job can end, and every process that can be killed."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter

import pytest
from tests.processes.workers import PATIENCE_S, Workshop, kill, put

from oakum import JobCancelled, JobFailed, JobQuarantined
from oakum.host.tree import start_ticks
from oakum.model.job import State
from oakum.model.outcome import Lost, OverBudget, TimedOut

MIB = 1024 * 1024
WAIT = PATIENCE_S

SOURCE = """
import gc, mmap, subprocess, threading, ctypes

@app.task
def add(a: int, b: int) -> int:
    return a + b

@app.task
def once(n: int) -> int:
    mark(n)
    return n

@app.task(crashes=20)
def slowly(n: int) -> int:
    time.sleep(0.004)
    mark(n)
    return n

@app.task(memory="50MiB")
def take(mb: int, how: str) -> int:
    if how == "list":
        return len([bytearray(b"x" * 1024 * 1024) for _ in range(mb)])
    if how == "shared":
        pages = mmap.mmap(-1, mb << 20)
        for at in range(0, mb << 20, 4096):
            pages[at] = 1
        time.sleep(60)
    if how == "child":
        code = f"import time; x = [bytearray(b'x' * 1048576) for _ in range({mb})]; time.sleep(60)"
        subprocess.run([sys.executable, "-c", code])
    if how == "swallow":
        held = []
        try:
            while True:
                held.append(bytearray(b"x" * 1024 * 1024))
        except MemoryError:
            return -1
    return mb

@app.task(memory="40MiB", memory_max="150MiB")
def grow() -> int:
    held = [bytearray(b"x" * 1024 * 1024) for _ in range(100)]
    return current().attempt

@app.task(timeout="300ms", kill_after="300ms")
def hang(deaf: bool) -> None:
    while True:
        try:
            time.sleep(600)
        except BaseException:
            if not deaf:
                raise

@app.task
def end(how: str) -> str:
    if how == "exit":
        sys.exit("enough")
    if how == "_exit":
        os._exit(3)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "close":
        os.closerange(0, 1000)
    if how == "chdir":
        os.chdir("/")
    if how == "print":
        for _ in range(1000):
            print("x" * 100_000)
        print("the end")
    if how == "threads":
        threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    if how == "daemon":
        pid = os.fork()
        if not pid:
            os.setsid()
            pid = os.fork()
            if pid:
                mark(f"daemon {pid}")  # as soon as this one ends the daemon is nobody's, and may be killed
                os._exit(0)
            time.sleep(600)
            os._exit(0)
        os.waitpid(pid, 0)
    return os.getcwd()

@app.task
async def breathe(seconds: float) -> float:
    import asyncio
    await asyncio.sleep(seconds)
    return seconds

@app.task
def wait(name: str) -> str:
    mark(name)
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
    return name

@app.task
def tell() -> str:
    print("printed")
    os.write(2, b"written\\n")
    subprocess.run(["echo", "spoken"])
    import logging
    logging.getLogger("shop").info("logged")
    time.sleep(0.01)
    return current().job_id

@app.task
def fan(n: int) -> None:
    app.enqueue_many(add.job(i, i) for i in range(n))
    add.using(on_success=True, tags=["last"]).enqueue(1, 1)
"""


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


def test_jobs_run_and_their_values_come_back(shop):
    shop.worker()
    jobs = [shop.tasks.add.enqueue(n, n) for n in range(50)]
    assert [job.wait(WAIT) for job in jobs] == [2 * n for n in range(50)]


@pytest.mark.parametrize(("how", "ring"), [("list", 1), ("shared", 2), ("child", 2)])
def test_a_job_over_its_memory_is_ended_and_named(shop, how, ring):
    shop.worker()
    beside = shop.tasks.wait.enqueue("beside")
    job = shop.tasks.take.enqueue(400, how)
    with pytest.raises(JobQuarantined, match="OverBudget"):
        job.wait(WAIT)
    (outcome,) = shop.outcomes(job)
    assert isinstance(outcome, OverBudget)
    assert outcome.ring in (ring, 3)  # where there are control groups the kernel may be quicker than the meter
    assert outcome.limit == 50 * MIB
    if ring == 1:
        assert outcome.peak < 60 * MIB
        assert re.search(r"shop\.py:\d+ in .*", outcome.where)
    (shop.path / "go").touch()
    assert beside.wait(WAIT) == "beside"  # the other jobs' results do not change


def test_within_its_memory_a_job_is_left_alone(shop):
    shop.worker()
    assert shop.tasks.take.enqueue(30, "list").wait(WAIT) == 30
    assert shop.tasks.take.enqueue(0, "swallow").wait(WAIT) == -1  # it met its limit, and handled it
    peak = shop.until(lambda: shop.app.store.stats().get("shop.take")).peak.largest
    assert 30 * MIB < peak < 60 * MIB


def test_more_memory_is_tried_up_to_the_ceiling_and_no_further(shop):
    shop.worker()
    job = shop.tasks.grow.enqueue()
    assert job.wait(WAIT) == 3
    limits = [outcome.limit for outcome in shop.outcomes(job)]
    assert limits == [40 * MIB, 80 * MIB]  # then alone, at 150 MiB


@pytest.mark.parametrize("deaf", [False, True])
def test_a_job_past_its_time_is_stopped_or_killed(shop, deaf):
    shop.worker()
    job = shop.tasks.hang.enqueue(deaf)
    with pytest.raises(JobFailed, match="TimedOut"):
        job.wait(WAIT)
    (outcome,) = shop.outcomes(job)
    assert isinstance(outcome, TimedOut)
    assert outcome.hard is deaf


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("_exit", "ended by itself with status 3"),
        ("segfault", "was ended by SIGSEGV"),
        ("close", "lost its line to the worker"),
    ],
)
def test_a_job_that_takes_its_process_down_is_set_aside(shop, how, cause):
    shop.worker()
    job = shop.tasks.end.enqueue(how)
    with pytest.raises(JobQuarantined, match="Lost"):
        job.wait(WAIT)
    outcomes = shop.outcomes(job)
    assert [type(outcome) for outcome in outcomes] == [Lost, Lost, Lost]
    assert all(cause in outcome.reason for outcome in outcomes)
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3


def test_what_a_job_does_to_its_process_ends_with_it(shop):
    shop.worker("--slots", "1")
    with pytest.raises(JobFailed, match="enough") as failed:
        shop.tasks.end.enqueue("exit").wait(WAIT)
    assert failed.value.type == "SystemExit"
    assert shop.tasks.end.enqueue("chdir").wait(WAIT) == "/"
    assert shop.tasks.end.enqueue("threads").wait(WAIT) == str(shop.path)
    shop.tasks.end.enqueue("daemon").wait(WAIT)
    (daemon,) = [int(line.split()[1]) for line in shop.until(shop.marks)]
    shop.until(lambda: not os.path.exists(f"/proc/{daemon}"))


def test_what_a_job_prints_is_kept_within_a_bound(shop):
    shop.worker()
    told = shop.tasks.tell.enqueue()
    job_id = told.wait(WAIT)
    log = shop.app.store.story(told._id).log
    for word in ("printed", "written", "spoken", f"[job {job_id}] logged"):
        assert word in log
    loud = shop.tasks.end.enqueue("print")
    loud.wait(WAIT)
    kept = shop.app.store.story(loud._id).log
    assert len(kept) < 70_000
    assert kept.startswith("... ")
    assert kept.endswith("the end\n")


def test_cancelling_reaches_waiting_and_running_jobs(shop):
    shop.worker()
    running = [shop.tasks.wait.enqueue("a"), shop.tasks.breathe.enqueue(600.0)]
    shop.until(lambda: "a" in shop.marks() and all(job.state == "running" for job in running))
    waiting = [shop.tasks.wait.enqueue("never") for _ in range(3)]
    for job in (*waiting, *running):  # the other way round, one that waits could start before its turn to be cancelled
        job.cancel()
    for job in (*running, *waiting):
        with pytest.raises(JobCancelled):
            job.wait(WAIT)
    assert "never" not in shop.marks()


def test_async_jobs_share_a_loop_and_leave_it_to_others(shop):
    shop.worker("--slots", "1")
    mixed = [shop.tasks.breathe.enqueue(0.05) if n % 3 else shop.tasks.add.enqueue(n, 0) for n in range(60)]
    assert [job.wait(WAIT) for job in mixed] == [0.05 if n % 3 else n for n in range(60)]


def test_jobs_enqueue_jobs_through_their_worker(shop):
    shop.worker()
    shop.tasks.fan.enqueue(5).wait(WAIT)
    shop.until(
        lambda: sum(c.jobs for c in shop.app.store.counts() if c.task == "shop.add" and c.state is State.COMPLETED) == 6
    )


def test_several_workers_on_one_file_run_each_job_once(shop):
    workers = [shop.worker() for _ in range(3)]
    shop.app.enqueue_many(shop.tasks.once.job(n) for n in range(6000))
    shop.until(lambda: _count(shop, State.COMPLETED) == 6000)
    assert Counter(shop.marks()) == Counter(str(n) for n in range(6000))
    assert all(worker.poll() is None for worker in workers)


@pytest.mark.slow
def test_killing_whatever_runs_loses_no_job_and_settles_none_twice(shop):
    workers = [shop.worker() for _ in range(2)]
    shop.app.enqueue_many(shop.tasks.slowly.job(n) for n in range(4000))
    for victim in ["oakum-child", "oakum-child", "oakum-template", "oakum-child", "worker"] * 3:
        aim = min(_count(shop, State.COMPLETED) + 40, 3900)  # not past the end, however slow this process is
        shop.until(lambda aim=aim: _count(shop, State.COMPLETED) >= aim)
        worker = workers.pop(0)
        if victim == "worker":
            tree = shop.tree(worker)
            worker.kill()
            worker.wait()
            for pid in (pid for pids in tree.values() for pid in pids):
                shop.until(lambda pid=pid: start_ticks(pid) is None)  # its processes end with it
            worker = shop.worker()
        else:
            shop.until(lambda worker=worker, victim=victim: any(map(kill, shop.tree(worker).get(victim, [])[:1])))
        workers.append(worker)
    shop.until(lambda: _count(shop, State.COMPLETED) == 4000)
    assert {count.state for count in shop.app.store.counts()} == {State.COMPLETED}
    assert set(shop.marks()) == {str(n) for n in range(4000)}


def test_a_stopped_worker_gives_back_what_it_has(shop):
    first = shop.worker("--grace", "0s")
    job = shop.tasks.wait.enqueue("stopped")
    shop.until(shop.marks)
    first.terminate()
    assert first.wait(WAIT) == 0
    assert job.state == "available"
    assert shop.app.store.story(job._id).starts == ()  # unspent
    (shop.path / "go").touch()
    shop.worker()
    assert job.wait(WAIT) == "stopped"


def test_a_broken_application_is_told_once_and_waited_for(shop):
    good = (shop.path / "shop.py").read_text()
    put(shop.path / "shop.py", "import nowhere_to_be_found\n")
    shop.worker()
    shop.until(lambda: "waiting for a change" in shop.said())
    assert shop.said().count("nowhere_to_be_found") >= 1
    assert "importlib" not in shop.said()  # the traceback begins in the user's own file
    assert shop.said().count("waiting for a change") == 1
    job = shop.tasks.add.enqueue(1, 1)
    put(shop.path / "shop.py", good)
    assert job.wait(WAIT) == 2


def test_no_room_for_one_child_is_said_in_one_line(shop):
    worker = shop.worker("--memory", "20MiB")
    assert worker.wait(WAIT) == 3
    (line,) = shop.said().splitlines()
    assert line.startswith("oakum: memory: a room of 20.0 MiB has no space for even one child")


def test_quiet_and_back(shop):
    worker = shop.worker()
    assert shop.tasks.add.enqueue(1, 1).wait(WAIT) == 2
    worker.send_signal(signal.SIGUSR1)
    shop.until(lambda: b"quiet" in shop.app.store.holders()[0].report)
    job = shop.tasks.add.enqueue(2, 2)
    assert job.state == "available"
    worker.send_signal(signal.SIGUSR2)
    assert job.wait(WAIT) == 4


def _count(shop, state):
    return sum(count.jobs for count in shop.app.store.counts() if count.state is state)
