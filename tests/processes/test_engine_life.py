"""A worker through its life: reloads, hooks, listeners, health, deploys; and what async jobs owe one another."""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.processes.workers import PATIENCE_S, Workshop, put

from oakum import JobCancelled, JobFailed, JobQuarantined
from oakum.host.tree import start_ticks
from oakum.model.outcome import Completed, Failed, OverBudget, Snoozed, decode_record
from oakum.model.report import decode_report

WAIT = PATIENCE_S
HEAD = """
import asyncio, threading
from oakum.events import JobEnded, WorkerStarted, WorkerStopped

@app.task
def add(a: int, b: int) -> int:
    return a + b

@app.task
def wait(name: str) -> int:
    mark(name)
    while not os.path.exists(os.path.join(HERE, name)):
        time.sleep(0.01)
    return os.getpid()
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Callable[[str], Workshop]]:
    made: list[Workshop] = []

    def make(source: str = "") -> Workshop:
        made.append(Workshop(tmp_path, HEAD + source))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


def test_each_way_to_try_again_is_kept_in_the_story(workshop) -> None:
    shop = workshop("""
@app.task(retries={ConnectionError: Retry(2, delay="10ms"), ValueError: 0})
def flaky(kind: str) -> int:
    if kind == "wrong":
        raise ValueError("never mind")
    if current().token == 1:
        current().snooze("10ms")
    if current().attempt < 3:
        raise ConnectionResetError("reset")
    return current().attempt

@app.task
def impatient() -> int:
    return add.enqueue(1, 1).wait()

app.max_result = 1000

@app.task
def large() -> str:
    return "x" * 2000
""")
    shop.worker()
    flaky = shop.tasks.flaky.enqueue("reset")
    assert flaky.wait(WAIT) == 3
    story = [type(outcome) for outcome in shop.outcomes(flaky)]
    assert story == [Snoozed, Failed, Failed]
    assert isinstance(decode_record(shop.app.store.outcome(flaky._id)[1]).outcome, Completed)
    for task, args, says in (("flaky", ("wrong",), "ValueError: never mind"), ("large", (), "the result takes"), ("impatient", (), "on_success=True")):  # fmt: skip
        with pytest.raises(JobFailed, match=says):
            getattr(shop.tasks, task).enqueue(*args).wait(WAIT)


def test_a_reload_ends_each_old_child_after_its_job_whatever_is_cancelled_meanwhile(workshop) -> None:
    shop = workshop("""
@app.on_child_stop
def stopping():
    mark(f"stopped {os.getpid()}")
""")
    worker = shop.worker()
    old = shop.tasks.wait.enqueue("old")
    shop.until(lambda: "old" in shop.marks())
    worker.send_signal(signal.SIGHUP)
    shop.until(lambda: "loaded the application anew" in shop.said())
    unwanted = shop.tasks.wait.enqueue("unwanted")
    shop.until(lambda: "unwanted" in shop.marks())
    unwanted.cancel()
    with pytest.raises(JobCancelled):
        unwanted.wait(WAIT)
    (shop.path / "old").touch()
    pid = old.wait(WAIT)
    shop.until(lambda: f"stopped {pid}" in shop.marks())
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    shop.settled(worker, children=2)


def test_a_thread_in_the_application_has_children_started_instead_of_forked(workshop) -> None:
    shop = workshop("""
import sys
if "pytest" not in sys.modules:  # this test imports the application too, where the thread would outlive it
    threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()
""")
    shop.worker()
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    assert (
        "children are started anew instead of forked: importing the application started a thread (poller)"
        in shop.said()
    )


def test_hooks_run_in_each_child_and_listeners_beside_them(workshop) -> None:
    shop = workshop("""
@app.on_child_start
def starting():
    mark(f"started {os.getpid()}")

@app.on_child_stop
def stopping():
    mark(f"stopped {os.getpid()}")

@app.on_event
def breaks(event):
    raise RuntimeError("a listener's own trouble")

@app.on_event
def hears(event):
    if isinstance(event, (WorkerStarted, WorkerStopped)):
        time.sleep(0.5)  # the worker does not leave before this is over
        mark(type(event).__name__)
    if isinstance(event, JobEnded):
        mark(f"{event.task} {event.state} {os.getpid()}")

@app.task
def where() -> int:
    return os.getpid()
""")
    worker = shop.worker()
    child = shop.tasks.where.enqueue().wait(WAIT)
    assert f"started {child}" in shop.marks()
    (heard,) = shop.until(lambda: [mark for mark in shop.marks() if mark.startswith("shop.where completed")])
    assert heard.split()[2] not in (str(child), str(worker.pid))
    worker.terminate()
    assert worker.wait(WAIT) == 0
    assert {f"stopped {child}", "WorkerStarted", "WorkerStopped"} <= set(shop.marks())


def test_health_is_about_work_and_not_about_a_process(workshop) -> None:
    shop = workshop()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def ask(question: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{question}", timeout=WAIT) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    worker = shop.worker("--health", str(port))
    shop.until(lambda: ask("ready") == 200)
    assert ask("live") == 200
    assert ask("passwords") == 404
    worker.send_signal(signal.SIGUSR1)
    shop.until(lambda: ask("ready") == 503)
    assert ask("live") == 200


def test_a_worker_leaves_what_it_does_not_know_and_knows_what_was_renamed(workshop) -> None:
    shop = workshop("""
@app.task
def newer() -> str:
    return "newer"

@app.task(name="shop.old_name")
def renamed() -> str:
    return "renamed"
""")
    newer, renamed = shop.tasks.newer.enqueue(), shop.tasks.renamed.enqueue()
    both = (shop.path / "shop.py").read_text()
    without = both.replace("@app.task\ndef newer", "def newer").replace(
        'name="shop.old_name"', 'aliases=["shop.old_name"]'
    )
    assert without.count("newer") == both.count("newer")
    put(shop.path / "shop.py", without)
    shop.worker()
    assert renamed.wait(WAIT) == "renamed"
    assert newer.state == "available"
    put(shop.path / "shop.py", both)
    shop.worker()
    assert newer.wait(WAIT) == "newer"


def test_async_jobs_that_go_over_their_budget_together_run_alone_and_only_the_guilty_is_charged(workshop) -> None:
    shop = workshop("""
@app.task(memory="60MiB")
async def hold(mb: int) -> int:
    mark("began")
    held = []
    for _ in range(mb // 10):
        held.append(bytearray(b"x" * (10 << 20)))
        await asyncio.sleep(0.05)
    return len(held)
""")
    small = [shop.tasks.hold.enqueue(30) for _ in range(3)]  # too much together, and each fits
    large = shop.tasks.hold.enqueue(200)
    shop.worker("--slots", "1")
    assert [job.wait(WAIT) for job in small] == [3, 3, 3]
    with pytest.raises(JobQuarantined, match="OverBudget"):
        large.wait(WAIT)
    assert [type(outcome) for outcome in shop.outcomes(large)] == [OverBudget]
    assert all(not shop.outcomes(job) for job in small)  # unspent, and no word of it in their stories
    assert len(shop.marks()) > 4  # they did break it together


def test_a_worker_that_stops_makes_no_children_of_a_template_that_comes_late(workshop) -> None:
    shop = workshop("""
if os.path.exists(os.path.join(HERE, "slow")):
    mark("loading")
    while not os.path.exists(os.path.join(HERE, "load")):
        time.sleep(0.01)

@app.on_child_start
def starting():
    mark("started")

@app.on_child_stop
def stopping():
    mark("stopping")
    while not os.path.exists(os.path.join(HERE, "leave")):
        time.sleep(0.01)
""")
    worker = shop.worker()
    shop.until(lambda: shop.marks() == ["started"] * 2)
    (shop.path / "slow").touch()
    worker.send_signal(signal.SIGHUP)
    shop.until(lambda: "loading" in shop.marks())
    worker.terminate()
    shop.until(lambda: "stopping" in shop.marks())
    (shop.path / "load").touch()
    shop.until(lambda: "loaded the application anew" in shop.said())
    (shop.path / "leave").touch()
    assert worker.wait(WAIT) == 0
    assert shop.marks().count("started") == 2


def test_a_reload_that_is_asked_for_while_another_is_under_way_follows_it(workshop) -> None:
    shop = workshop("""
if os.path.exists(os.path.join(HERE, "slow")):
    mark("loading")
    while not os.path.exists(os.path.join(HERE, "load")):
        time.sleep(0.01)
""")
    worker = shop.worker()
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    (shop.path / "slow").touch()
    worker.send_signal(signal.SIGHUP)
    shop.until(lambda: "loading" in shop.marks())
    worker.send_signal(signal.SIGHUP)
    a_round_later_ms = (time.time() + 2) * 1000
    shop.until(lambda: decode_report(shop.app.store.holders()[0].report).at_ms > a_round_later_ms)
    (shop.path / "load").touch()
    shop.until(lambda: shop.said().count("loaded the application anew") == 2)


def test_a_child_that_never_comes_up_does_not_keep_its_worker_from_stopping(workshop) -> None:
    shop = workshop("""
@app.on_child_start
def starting():
    mark("stuck")
    signal.pause()
""")
    worker = shop.worker("--slots", "1")
    shop.until(lambda: "stuck" in shop.marks())
    (child,) = shop.tree(worker)["oakum-child"]
    worker.terminate()
    assert worker.wait(WAIT) == 0
    shop.until(lambda: not os.path.exists(f"/proc/{child}"))


def test_a_template_that_is_killed_is_replaced_and_its_children_live_on(workshop) -> None:
    shop = workshop()
    worker = shop.worker()
    job = shop.tasks.wait.enqueue("through")
    shop.until(lambda: "through" in shop.marks())
    (template,) = shop.settled(worker, children=2)["oakum-template"]
    os.kill(template, signal.SIGKILL)
    shop.until(lambda: shop.tree(worker).get("oakum-template", [template]) != [template])
    (shop.path / "through").touch()
    job.wait(WAIT)
    assert shop.outcomes(job) == []
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3


def test_a_template_that_dies_with_its_children_is_replaced_and_so_are_they(workshop) -> None:
    shop = workshop()
    worker = shop.worker()
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    tree = shop.settled(worker, children=2)
    worker.send_signal(signal.SIGSTOP)  # so that it hears of all of them at once, and of its children first
    for pid in tree["oakum-child"] + tree["oakum-template"]:
        os.kill(pid, signal.SIGKILL)
        shop.until(lambda pid=pid: start_ticks(pid) is None)
    worker.send_signal(signal.SIGCONT)
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    assert worker.poll() is None


def test_a_template_that_is_killed_while_it_loads_is_tried_again_but_not_for_ever(workshop) -> None:
    shop = workshop("""
if "pytest" not in sys.modules:
    mark(f"loading {os.getpid()}")
    while not os.path.exists(os.path.join(HERE, "load")):
        time.sleep(0.01)
""")
    killed: list[str] = []

    def kill_one() -> None:
        last = shop.until(lambda: [mark for mark in shop.marks() if mark not in killed])[-1]
        os.kill(int(last.split()[1]), signal.SIGKILL)
        killed.append(last)

    worker = shop.worker()
    kill_one()
    shop.until(lambda: "once more" in shop.said())
    (shop.path / "load").touch()
    assert shop.tasks.add.enqueue(1, 2).wait(WAIT) == 3
    (shop.path / "load").unlink()
    killed += shop.marks()
    worker = shop.worker()
    for _ in range(3):
        kill_one()
    assert worker.wait(WAIT) == 3
    assert "shop:app cannot be imported: the process that does it dies each time" in shop.said().splitlines()[-1]


def test_a_crash_beside_other_jobs_costs_them_nothing(workshop) -> None:
    shop = workshop("""
@app.task(crashes=1)
def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
""")
    before = [shop.tasks.add.enqueue(n, 0) for n in range(40)]
    crash = shop.tasks.crash.enqueue()
    after = [shop.tasks.add.enqueue(n, 0) for n in range(40)]
    shop.worker("--slots", "1")
    with pytest.raises(JobQuarantined, match="was ended by SIGKILL"):
        crash.wait(WAIT)
    assert [job.wait(WAIT) for job in before + after] == [*range(40), *range(40)]
    assert {shop.app.store.story(job._id).job.token for job in before} == {1}
    assert all(shop.outcomes(job) == [] for job in before + after)  # whoever waited behind it is not charged
