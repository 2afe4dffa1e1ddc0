"""Jobs that do to their process what jobs should not: the worker goes on, keeps its size, and tells what happened."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop

from oakum import JobFailed, JobQuarantined
from oakum.host.tree import resident
from oakum.model.job import State
from oakum.model.outcome import OverBudget, TimedOut, decode_record

MIB = 1024 * 1024
WAIT = PATIENCE_S
SOURCE = """
import mmap, subprocess, tempfile, threading

KEPT = {}

@app.task
def add(a: int, b: int) -> int:
    return a + b

@app.task
def measure(blob: bytes) -> bytes:
    return blob

@app.task(timeout="1s", kill_after="300ms")
def stay(how: str) -> None:
    beside = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; exec sleep 600"], stdout=subprocess.PIPE)
    beside.stdout.readline()
    mark(f"{os.getpid()} {beside.pid}")
    if how == "stands still":
        os.kill(os.getpid(), signal.SIGSTOP)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while how == "swallows":
        try:
            time.sleep(600)
        except BaseException as error:
            mark(f"swallowed {type(error).__name__}")
    while how == "blocks":  # signals are noted, and Python never comes to act on them
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        time.sleep(600)

@app.task(timeout=None)
def ignore() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mark("ignores")
    while True:
        time.sleep(600)

@app.task(memory="50MiB", timeout="1s")
def greedy() -> None:
    held, refused = [], 0
    while True:
        try:
            held.append(bytearray(b"x" * 1024 * 1024))
        except MemoryError:
            refused += 1
            if refused == 1000:
                mark("refused")

@app.task(memory="40MiB")
def leak(mb: int) -> int:
    for _ in range(mb):
        KEPT[len(KEPT)] = bytearray(b"x" * 1024 * 1024)
    return os.getpid()

@app.task(memory="40MiB")
def lean_on_files() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(3 * 1024 * 1024))
        file.flush()
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        assert not any(pages[at] for at in range(0, len(pages), 4096))
        try:
            leak(100)
        except MemoryError:
            time.sleep(0.5)  # some looks of the meter
            raise

@app.task(memory="40MiB", memory_max="150MiB")
def grow() -> None:
    held = [bytearray(b"x" * 1024 * 1024) for _ in range(300)]

@app.task
def shout(how: str, mb: int) -> int:
    line = "x" * 1023
    for _ in range(mb * 1024):
        if how == "print":
            print(line)
        elif how == "write":
            os.write(2, line.encode() + b"\\n")
    if how == "program":
        subprocess.run([sys.executable, "-c", f"for _ in range({mb * 1024}): print('x' * 1023)"], check=True)
    os.write(1, b"the end") if how == "write" else print("the end")
    return mb

@app.task
def threads(number: int) -> int:
    for _ in range(number):
        threading.Thread(target=threading.Event().wait).start()  # not a daemon: Python would wait for it
    return os.getpid()

@app.task
def fork(how: str) -> str:
    pid = os.fork()
    if not pid:
        mark(f"copy {os.getpid()}")
        if how == "exits":
            sys.exit(7)
        if how == "raises":
            raise ValueError("in the copy")
        return "the copy"
    status = os.waitpid(pid, 0)[1]
    time.sleep(0.05)
    return f"the job, its copy ended with {os.waitstatus_to_exitcode(status)}"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, SOURCE)
    yield workshop
    workshop.close()


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("how", ["swallows", "blocks", "stands still"])
def test_a_job_that_does_not_hear_is_killed_with_all_that_it_started(shop: Workshop, how: str) -> None:
    shop.worker()
    job = shop.tasks.stay.enqueue(how)
    with pytest.raises(JobFailed, match="TimedOut"):
        job.wait(WAIT)
    (outcome,) = shop.outcomes(job)
    assert isinstance(outcome, TimedOut)
    assert outcome.hard
    pids, *swallowed = shop.marks()
    assert swallowed == (["swallowed SoftTimeout"] if how == "swallows" else [])
    for pid in pids.split():
        shop.until(lambda pid=int(pid): gone(pid))
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3


def test_a_job_that_ignores_sigterm_does_not_keep_its_worker(shop: Workshop) -> None:
    worker = shop.worker("--grace", "200ms")
    job = shop.tasks.ignore.enqueue()
    shop.until(shop.marks)
    (child,) = [child for child in shop.settled(worker, children=2)["oakum-child"] if _ignores(child, signal.SIGTERM)]
    worker.terminate()
    assert worker.wait(WAIT) == 0
    assert gone(child)
    assert job.state == "available"
    assert shop.outcomes(job) == []  # unspent


def test_a_job_that_swallows_its_memory_errors_gets_no_more_memory(shop: Workshop) -> None:
    shop.worker()
    job = shop.tasks.greedy.enqueue()
    with pytest.raises(JobFailed, match="TimedOut"):
        job.wait(WAIT)
    assert shop.marks() == ["refused"]
    story = shop.app.store.story(job._id)
    assert story is not None
    usage = decode_record(story.starts[0].record).usage
    assert usage is not None
    assert 30 * MIB < usage.peak < 60 * MIB


def test_a_job_that_leaks_into_a_dict_is_told_its_line(shop: Workshop) -> None:
    shop.worker()
    job = shop.tasks.leak.enqueue(100)
    with pytest.raises(JobQuarantined, match="OverBudget"):
        job.wait(WAIT)
    (outcome,) = shop.outcomes(job)
    assert isinstance(outcome, OverBudget)
    assert (outcome.ring, outcome.limit) == (1, 40 * MIB)
    assert outcome.peak < 50 * MIB
    assert re.search(r"shop\.py:\d+ in leak: KEPT\[len\(KEPT\)\] = bytearray", outcome.where)


def test_what_a_job_touches_of_files_is_not_held_against_it(shop: Workshop) -> None:
    shop.worker()
    job = shop.tasks.lean_on_files.enqueue()
    with pytest.raises(JobQuarantined, match="OverBudget"):
        job.wait(WAIT)
    (outcome,) = shop.outcomes(job)
    assert isinstance(outcome, OverBudget)
    assert outcome.peak > 44 * MIB  # what ring 1 allows is all taken, and the pages of the file are beside it
    assert outcome.ring == 1


def test_jobs_that_leak_a_little_each_have_their_child_replaced(shop: Workshop) -> None:
    worker = shop.worker("--slots", "1")
    pids = Counter(job.wait(WAIT) for job in [shop.tasks.leak.enqueue(8) for _ in range(40)])
    assert len(pids) > 1  # by each result; a job that was charged for what others had left would have raised here
    assert max(pids.values()) * 8 <= 64 + 2 * 8  # the bound on what a child may keep, and the job that passed it
    leaky = shop.until(lambda: shop.app.store.stats().get("shop.leak"))
    assert leaky.retained / leaky.retained_runs > 7 * MIB
    assert sum(resident(pid) or 0 for pid in (worker.pid, *shop.settled(worker, children=1)["oakum-child"])) < 512 * MIB


def test_a_job_that_breaks_every_limit_it_is_given_is_set_aside(shop: Workshop) -> None:
    shop.worker()
    job = shop.tasks.grow.enqueue()
    with pytest.raises(JobQuarantined, match="OverBudget"):
        job.wait(WAIT)
    outcomes = shop.outcomes(job)
    assert all(isinstance(outcome, OverBudget) for outcome in outcomes)
    assert [outcome.limit for outcome in outcomes] == [40 * MIB, 80 * MIB, 150 * MIB]


@pytest.mark.parametrize("how", ["print", "write", "program"])
def test_a_job_that_prints_a_hundred_megabytes_does_not_fill_its_worker(shop: Workshop, how: str) -> None:
    worker = shop.worker("--slots", "1")
    shop.tasks.shout.enqueue(how, 1).wait(WAIT)
    before = resident(worker.pid)
    assert before is not None
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # its high-water mark is now what it has
    loud = shop.tasks.shout.enqueue(how, 100)
    assert loud.wait(WAIT) == 100
    assert _high_water(worker) - before < 4 * MIB
    story = shop.app.store.story(loud._id)
    assert story is not None
    assert "the end" in story.log
    assert len(story.log) < 70_000
    (dropped,) = re.findall(r"\.\.\. (\d+) bytes before this were not kept", story.log)
    assert int(dropped) + len(story.log) > 100 * MIB  # all of it came, and is accounted for


def test_threads_that_a_job_leaves_behind_hold_up_nobody(shop: Workshop) -> None:
    worker = shop.worker("--slots", "1")
    child = shop.tasks.threads.enqueue(20).wait(WAIT)
    assert len(os.listdir(f"/proc/{child}/task")) == 21
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    worker.terminate()
    assert worker.wait(WAIT) == 0
    assert gone(child)


@pytest.mark.parametrize(("how", "status"), [("returns", 0), ("exits", 7), ("raises", 1)])
def test_a_fork_that_comes_back_from_its_job_speaks_for_nobody(shop: Workshop, how: str, status: int) -> None:
    worker = shop.worker("--slots", "1")
    job = shop.tasks.fork.enqueue(how)
    assert job.wait(WAIT) == f"the job, its copy ended with {status}"
    (copy,) = shop.marks()
    shop.until(lambda: gone(int(copy.split()[1])))
    assert [shop.tasks.add.enqueue(n, n).wait(WAIT) for n in range(3)] == [0, 2, 4]
    shop.settled(worker, children=1)
    assert {count.state for count in shop.app.store.counts()} == {State.COMPLETED}


def test_a_worker_keeps_few_large_arguments_and_results_at_a_time(shop: Workshop) -> None:
    count = 200
    shop.app.enqueue_many(shop.tasks.measure.job(b"x" * 1_000_000) for _ in range(count))
    worker = shop.worker()
    shop.until(lambda: [(each.state, each.jobs) for each in shop.app.store.counts()] == [(State.COMPLETED, count)])
    assert _high_water(worker) < 100 * MIB, "a claim by number alone brings all 200 MB"


def _high_water(worker: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def _ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(re.search(r"SigIgn:\s*([0-9a-f]+)", status)[1], 16) >> (number - 1) & 1)
