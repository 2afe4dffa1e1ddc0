"""The engine's commands as people use them: beside a worker that runs, on a terminal, and through the reload of `oakum dev`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.processes.workers import put

OAKUM = (sys.executable, "-m", "oakum")
PATIENCE_S = 60.0
APP = """
import signal
from oakum import Oakum, current

app = Oakum("sqlite:///work.db")

@app.task
def add(a: int, b: int) -> int:
    print("adding")
    return a + b

@app.task
def fail() -> None:
    raise ValueError("no luck")

@app.task
def wait_for(name: str) -> None:
    current().progress(1, 4, f"waits for {name}")
    signal.pause()
"""


class Desk:
    """A directory with an application in it, and the command line there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = os.environ | {"OAKUM_STORE": "sqlite:///work.db", "COLUMNS": "100"}
        (path / "desk.py").write_text(APP)

    def oakum(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*OAKUM, *words],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def json(self, *words: str) -> Any:
        done = self.oakum(*words, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def enqueue(self, *words: str) -> str:
        done = self.oakum("enqueue", "desk:app", *words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    def state(self, job: str) -> str:
        return str(self.json("jobs", "show", job)["job"]["state"])

    @contextlib.contextmanager
    def process(self, *words: str, **pipes: Any) -> Iterator[subprocess.Popen[str]]:
        """A command of its own session, of which nothing is left in the end."""
        process = subprocess.Popen(
            [*OAKUM, *words], cwd=self.path, env=self.environment, text=True, start_new_session=True, **pipes
        )
        try:
            yield process
        finally:
            process.kill()  # children of a worker end with it
            process.communicate()

    @contextlib.contextmanager
    def worker(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A worker that has said that it works."""
        with self.process(
            "worker", "desk:app", "--memory", "256MiB", "--slots", "2", *words, stderr=subprocess.PIPE
        ) as worker:
            assert worker.stderr is not None
            assert "desk:app on sqlite:///work.db: 3 tasks" in worker.stderr.readline()
            yield worker


def until(condition: Callable[[], object]) -> None:
    """Waits for what another process brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        select.select([], [], [], 0.05)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_job_from_end_to_end(desk: Desk) -> None:
    with desk.worker():
        done = desk.oakum("enqueue", "desk:app", "add", "[1, 2]", "--wait")
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
        failed = desk.oakum("enqueue", "desk:app", "fail", "--wait")
        job = desk.json("jobs", "--state", "failed")["jobs"][0]["id"]
        assert (failed.returncode, failed.stdout) == (3, "")
        assert failed.stderr == f"oakum: job {job}: ValueError: no luck; see `oakum jobs show {job} --app desk:app`\n"
        copy = desk.oakum("retry", job).stdout.split()[-1]
        until(lambda: desk.state(copy) == "failed")
    listed = desk.json("jobs")["jobs"]
    assert [(each["task"], each["state"]) for each in listed] == [
        ("desk.fail", "failed"),
        ("desk.fail", "failed"),
        ("desk.add", "completed"),
    ]
    assert listed[0]["parent"] == job
    assert listed[2]["peak"] is not None
    story = desk.oakum("jobs", "show", listed[2]["id"]).stdout
    assert "start 1" in story
    assert story.endswith("log\nadding\n")
    assert 'raise ValueError("no luck")' in desk.oakum("jobs", "show", job).stdout


def test_who_waits_without_a_worker_is_told_so(desk: Desk) -> None:
    with desk.process(
        "enqueue", "desk:app", "add", "[1, 2]", "--wait", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as waiter:
        assert waiter.stderr is not None
        assert waiter.stderr.readline().startswith("oakum: no worker runs; job ")
        with desk.worker():
            assert waiter.communicate(timeout=PATIENCE_S) == ("3\n", "")
        assert waiter.returncode == 0


def test_a_running_job_is_seen_and_can_be_cancelled(desk: Desk) -> None:
    with desk.worker() as worker:
        job = desk.enqueue("wait_for", '["never"]')
        until(lambda: desk.json("jobs", "show", job)["job"]["progress"])
        until(lambda: desk.json("jobs", "show", job)["running"])
        story = desk.oakum("jobs", "show", job).stdout
        assert f"of worker {worker.pid} on" in story
        assert "1 of 4 (25%) waits for never" in story
        (shown,) = desk.json("status")["workers"]
        assert (shown["state"], shown["pid"], shown["report"]["room"]) == ("running", worker.pid, 256 << 20)
        assert [child["task"] for child in shown["report"]["children"] if child["in_hand"]] == ["desk.wait_for"]
        assert desk.oakum("cancel", job).stdout == "0 jobs cancelled, 1 running and asked to stop\n"
        until(lambda: desk.state(job) == "cancelled")


def test_a_paused_queue_is_not_handed_out(desk: Desk) -> None:
    desk.enqueue("add", "[0, 0]")  # makes the store
    assert desk.oakum("pause", "slow").returncode == 0
    with desk.worker("--queues", "slow,default"):
        held = desk.enqueue("add", "[1, 2]", "--queue", "slow")
        after = desk.enqueue("add", "[3, 4]")
        until(lambda: desk.state(after) == "completed")  # the queue behind it is served
        assert desk.state(held) == "available"
        desk.oakum("resume", "slow")
        until(lambda: desk.state(held) == "completed")


def test_a_worker_that_died_is_missed(desk: Desk) -> None:
    with desk.worker() as worker:
        assert desk.json("status")["notes"] == []
    notes = desk.json("status")["notes"]
    assert notes[0].startswith(f"worker {worker.pid} on ")
    assert "is gone" in notes[0]
    assert notes[1].startswith("no worker runs")


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (50, 120)])
@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "Ctrl-C"])
def test_status_is_live_on_a_terminal_until_a_key_ends_it(desk: Desk, rows: int, columns: int, key: bytes) -> None:
    desk.enqueue("add", "[1, 2]")
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = termios.tcgetattr(follower)
    del desk.environment["COLUMNS"]

    process = subprocess.Popen(  # setsid --ctty: a session whose terminal this is, so that Ctrl-C reaches it
        ["setsid", "--ctty", *OAKUM, "status"], cwd=desk.path, env=desk.environment | {"TERM": "xterm"},
        stdin=follower, stdout=follower, stderr=follower,
    )  # fmt: skip
    shown = b""

    def showed(words: bytes) -> bool:
        nonlocal shown
        if select.select([leader], [], [], 0.05)[0]:
            shown += os.read(leader, 65536)
        return words in shown

    try:
        until(lambda: showed(b"no worker runs, 1 job waiting"))
        shown = b""
        until(lambda: showed(b"EMPTY IN"))  # the second look, which knows what changed
        os.write(leader, key)
        until(lambda: showed(b"\x1b[?1049l"))  # the screen that was there before is back
        assert process.wait(PATIENCE_S) == 0
        assert termios.tcgetattr(follower) == before
    finally:
        process.kill()
        process.wait()
        os.close(leader)
        os.close(follower)


def test_dev_reloads_what_changes_shows_what_jobs_print_and_stops_at_once(desk: Desk) -> None:
    with desk.process(
        "dev", "desk:app", "--memory", "256MiB", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as worker:
        assert worker.stderr is not None
        assert worker.stdout is not None
        assert "3 tasks" in worker.stderr.readline()
        assert desk.oakum("enqueue", "desk:app", "add", "[1, 2]", "--wait").stdout == "3\n"
        assert worker.stdout.readline().endswith(" | adding\n")

        put(desk.path / "desk.py", APP.replace("a + b", "10 * a + b"))
        assert worker.stderr.readline() == "oakum worker: loaded the application anew\n"
        assert desk.oakum("enqueue", "desk:app", "add", "[1, 2]", "--wait").stdout == "12\n"

        put(desk.path / "desk.py", "app = (")
        line = worker.stderr.readline()
        assert "cannot be imported: SyntaxError: '(' was never closed" in line
        while line and line != "the code before the change goes on\n":
            line = worker.stderr.readline()
        put(desk.path / "desk.py", APP)
        assert worker.stderr.readline() == "oakum worker: loaded the application anew\n"

        job = desk.enqueue("wait_for", '["never"]')
        until(lambda: desk.state(job) == "running")
        worker.send_signal(signal.SIGINT)  # as Ctrl-C does: the job has half a second, not its whole timeout
        assert worker.wait(PATIENCE_S) == 0
    assert desk.state(job) == "available"
