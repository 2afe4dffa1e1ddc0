"""Three workers on three hosts, as far as the store can tell; one is cut off for longer than its lease, and comes back.

Each worker reaches the server through a proxy of its own and names itself another host, so that only its lease speaks
for it. What runs on the far side goes on meanwhile: it may start again elsewhere, and only one end of it counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from tests.processes.workers import whole_lines
from tests.support.proxy import Fault, Proxy

from oakum.model.ids import id_text
from oakum.model.job import JobQuery, JobView, State
from oakum.model.outcome import Completed, decode_record
from oakum.run.load import load
from oakum.store.open import open_store

PATIENCE_S = 90.0
JOBS = 300
SOURCE = """
import os, time
from oakum import Oakum, current

app = Oakum(os.environ["SHOP_STORE"])
HERE = os.path.dirname(os.path.abspath(__file__))

def note(word):
    fd = os.open(os.path.join(HERE, "runs"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{current().job_id} {current().token} {word} {os.environ['SHOP_HOST']}\\n".encode())
    os.close(fd)

@app.task
def work(n: int) -> str:
    note("began")
    time.sleep(0.25)
    while os.path.exists(os.path.join(HERE, f"hold {os.environ['SHOP_HOST']}")):
        time.sleep(0.01)
    note("ended")
    return os.environ["SHOP_HOST"]
"""
WORKER = """
import os, platform, sys
platform.node = lambda: os.environ["SHOP_HOST"]
from oakum.cli.main import main
sys.exit(main(["worker", "shop:app", "--memory", "256MiB", "--slots", "2"]))
"""


class Hosts:
    """An application, a store, and a worker for each host name, each behind its own proxy."""

    def __init__(self, path: Path, url: str, stack: ExitStack) -> None:
        self.path, self.url = path, url
        (path / "shop.py").write_text(SOURCE)
        self.proxies: dict[str, Proxy] = {}
        self._stack = stack
        self.store = stack.enter_context(closing(open_store(url)))

    def worker(self, host: str) -> subprocess.Popen[bytes]:
        """Starts the worker of one host."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None and parts.port is not None
        proxy = self.proxies[host] = self._stack.enter_context(Proxy(parts.hostname, parts.port))
        user = f"{parts.username}@" if parts.username else ""
        through = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
        environment = os.environ | {"SHOP_STORE": through, "SHOP_HOST": host}
        log = self._stack.enter_context((self.path / f"{host}.log").open("wb"))
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=self.path, env=environment, stdout=log, stderr=log
        )
        self._stack.callback(_end, worker)
        return worker

    def said(self, host: str) -> str:
        """What its worker said."""
        return (self.path / f"{host}.log").read_text()

    def runs(self) -> list[tuple[str, int, str, str]]:
        """What the tasks wrote down: job, token, word, host."""
        lines = (line.split() for line in whole_lines(self.path / "runs"))
        return [(job, int(token), word, host) for job, token, word, host in lines]

    def on(self, host: str) -> set[tuple[str, int]]:
        """The starts that began on a host and have not ended there."""
        mine = [(job, token, word) for job, token, word, where in self.runs() if where == host]
        ended = {(job, token) for job, token, word in mine if word == "ended"}
        return {(job, token) for job, token, _ in mine} - ended

    def ended(self) -> int:
        """How many jobs have come to their end."""
        return sum(count.jobs for count in self.store.counts() if count.state.terminal)

    def rows(self) -> list[JobView]:
        """All jobs."""
        return list(self.store.jobs(JobQuery(limit=10_000)).jobs)

    def until(self, condition: Callable[[], object]) -> None:
        """Waits until `condition` holds; fails with what the workers said."""
        deadline = time.monotonic() + PATIENCE_S
        bell = self.store.listen("results")
        with closing(bell):
            while not condition():
                said = "\n".join(f"{log.name}: {log.read_text()}" for log in self.path.glob("*.log"))
                assert time.monotonic() < deadline, f"it never came to be; the workers said:\n{said}"
                bell.wait(0.05)


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(PATIENCE_S)
    finally:
        worker.kill()


@pytest.fixture(params=["postgres", "redis"])
def hosts(request, tmp_path, monkeypatch) -> Iterator[Hosts]:
    name = f"partition_{uuid4().hex[:12]}"
    server = request.getfixturevalue(f"{request.param}_url")
    url = f"{server}?schema={name}" if request.param == "postgres" else f"{server}?prefix={name}"
    with ExitStack() as stack:
        yield Hosts(tmp_path, url, stack)


@pytest.fixture
def shop(hosts, monkeypatch):
    """The application, as its caller has it: straight at the server."""
    monkeypatch.setenv("SHOP_STORE", hosts.url)
    monkeypatch.setenv("SHOP_HOST", "the caller")
    monkeypatch.syspath_prepend(str(hosts.path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    yield load("shop:app")
    sys.modules.pop("shop", None)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_host_that_is_cut_off_loses_its_jobs_to_the_others_and_none_is_lost(hosts, shop):
    task = shop.tasks["shop.work"]
    jobs = [task.job(n) for n in range(JOBS)]
    shop.enqueue_many(jobs)
    for host in ("one", "two", "three"):
        hosts.worker(host)
    hosts.until(lambda: hosts.on("one") and hosts.on("two") and hosts.on("three"))

    proxy = hosts.proxies["one"]
    (hosts.path / "hold one").touch()
    hosts.until(lambda: len(hosts.on("one")) == 2)  # it holds jobs, which don't end before it is cut off
    proxy.do(Fault.REFUSE)
    assert proxy.cut_all() > 0
    cut_off = hosts.on("one")
    (hosts.path / "hold one").unlink()
    hosts.until(lambda: len(hosts.store.holders()) == 2)  # the others gave it up
    assert proxy.hits[Fault.REFUSE] > 0  # and all the while it had knocked in vain
    proxy.do(Fault.NONE)
    hosts.until(lambda: len(hosts.store.holders()) == 3)  # it came back, as somebody new
    hosts.until(lambda: hosts.ended() == JOBS)

    rows = {id_text(row.id): row for row in hosts.rows()}
    assert rows.keys() == {id_text(job.id) for job in jobs}
    assert {row.state for row in rows.values()} == {State.COMPLETED}
    ends = Counter((job, token) for job, token, word, _ in hosts.runs() if word == "ended")
    assert max(ends.values()) == 1
    assert all(ends[job, row.token] == 1 for job, row in rows.items())
    assert all(rows[job].token > token for job, token in cut_off)  # what it held was run again elsewhere
    for job, _ in cut_off:
        outcome = decode_record(rows[job].record).outcome
        assert isinstance(outcome, Completed)
        assert outcome.result is not None
        (winner,) = [
            host for name, token, word, host in hosts.runs() if (name, token, word) == (job, rows[job].token, "ended")
        ]
        assert winner.encode() in outcome.result  # its own late word changed nothing


@pytest.mark.slow
def test_a_worker_that_is_cut_off_stops_when_it_is_told_twice(hosts, shop):
    shop.enqueue_many(shop.tasks["shop.work"].job(n) for n in range(20))
    worker = hosts.worker("one")
    (hosts.path / "hold one").touch()
    hosts.until(lambda: hosts.on("one"))
    proxy = hosts.proxies["one"]
    proxy.do(Fault.REFUSE)
    proxy.cut_all()
    worker.terminate()
    knocks = proxy.hits[Fault.REFUSE]
    hosts.until(
        lambda: proxy.hits[Fault.REFUSE] > knocks + 1
    )  # it has gone on since it heard: the next is a second one
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 0
    assert "not all was written" in hosts.said("one")
    hosts.worker("two")
    hosts.until(lambda: hosts.ended() == 20)
