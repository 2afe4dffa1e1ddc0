"""No descriptor left: a publisher is refused with a clear error, a worker keeps what it has, and both go on when there are some."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.processes.workers import Workshop
from tests.support.limited import highest_fd, limited
from tests.support.proxy import Proxy

from oakum.model.job import State

JOBS = 300
HELD = JOBS - 10  # the last ones end once they are let go, so that the line breaks in the midst of the work
SOURCE = """
app = Oakum({url!r})

@app.task(result_ttl="1h")
def note(number: int) -> None:
    mark(number)
    while number >= {held} and not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
"""
PUBLISHER = """
import os, resource, sys
from oakum.errors import NotEnqueued
import shop

def most(soft):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
shop.note.enqueue(0)
shop.app.close()
most(3)
try:
    shop.note.enqueue(1)
except NotEnqueued as error:
    print("refused:", error)
most(before)
shop.note.enqueue(2)
print(sum(count.jobs for count in shop.app.store.counts()))
"""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/work.db"
    return request.getfixturevalue(f"{request.param}_store_url")


def test_a_publisher_without_descriptors_is_refused_and_goes_on(url: str, tmp_path: Path) -> None:
    shop = Workshop(tmp_path, SOURCE.format(url=url, held=HELD))
    shop.close()
    ran = subprocess.run([sys.executable, "-c", PUBLISHER], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    refused, counted = ran.stdout.splitlines()
    assert refused.startswith("refused: ")
    assert counted == "2"


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_a_worker_without_descriptors_for_a_new_line_goes_on_when_it_has_some(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The line breaks, and there is no descriptor for another: what it has is kept until there is."""
    direct = request.getfixturevalue(f"{kind}_store_url")
    port = urlsplit(direct).port
    assert port is not None
    with Proxy("127.0.0.1", port) as proxy:
        shop = Workshop(tmp_path, SOURCE.format(url=direct.replace(f":{port}/", f":{proxy.port}/"), held=HELD))
        try:
            worker = shop.worker()
            shop.app.enqueue_many(shop.tasks.note.job(number) for number in range(JOBS))
            shop.until(lambda: len(shop.marks()) > JOBS // 10)
            with limited("nofile", 3, [worker.pid]):
                assert highest_fd(worker.pid) > 3
                assert proxy.cut_all() >= 1
                shop.app.close()  # its own line was cut, too
                shop.until(lambda: "open files" in shop.said() or "cannot reach" in shop.said())
                assert completed(shop) < JOBS
                (shop.path / "go").touch()
            shop.until(lambda: completed(shop) == JOBS)
            assert Counter(shop.marks()) == {str(number): 1 for number in range(JOBS)}
            assert worker.poll() is None
        finally:
            shop.close()


def completed(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.state is State.COMPLETED)
