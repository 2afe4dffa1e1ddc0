"""A server whose disk is full, under a running worker: new jobs are refused, none that was acknowledged is lost, all goes on.

The disk is full as far as the server can tell: its files may not grow beyond a length, in the midst of a page.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.processes.workers import Workshop
from tests.support.limited import limited, server_of
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

from oakum.errors import NotEnqueued
from oakum.model.job import State

MIB = 1024 * 1024
PAD = 1000
SOURCE = """
app = Oakum({url!r})

@app.task(result_ttl="1h")
def note(number: int, pad: str) -> None:
    mark(number)
"""


class Disk(NamedTuple):
    """A shop on a server of its own, the server's port, and the longest file that it may have once its disk is full."""

    shop: Workshop
    port: int
    longest: int


@pytest.fixture(params=["postgres", "redis"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        place.chmod(0o755)  # pytest's own may not be entered by nobody
        if request.param == "postgres":
            server = stack.enter_context(PostgresServer(place / "server"))
            longest = 16 * MIB + 4096  # its log's files are of 16 MiB from the start; half a page more
        else:
            server = stack.enter_context(RedisServer(place, "--appendfsync", "everysec"))
            longest = 2 * MIB + 1
        shop = Workshop(tmp_path, SOURCE.format(url=server.url))
        stack.callback(shop.close)
        yield Disk(shop, server.port, longest)


@pytest.mark.timeout(200)
def test_on_a_servers_full_disk_no_job_is_lost_and_all_goes_on_when_there_is_room(disk: Disk) -> None:
    shop = disk.shop
    worker = shop.worker()
    shop.until(lambda: any(holder.report for holder in shop.app.store.holders()))
    acknowledged, refusal = 0, ""
    with limited("fsize", disk.longest, server_of(disk.port)):
        while not refusal:
            assert acknowledged < 60_000, "the disk has not become full"
            batch = [shop.tasks.note.job(acknowledged + number, "x" * PAD) for number in range(500)]
            try:
                shop.app.enqueue_many(batch)
                acknowledged += len(batch)
            except NotEnqueued as error:
                acknowledged, refusal = acknowledged + error.acknowledged, str(error)
    assert "no room" in refusal
    shop.until(lambda: completed(shop) == acknowledged)
    marks = Counter(shop.marks())
    assert set(marks) == {str(number) for number in range(acknowledged)}
    assert set(marks.values()) == {1}
    shop.tasks.note.enqueue(acknowledged, "").wait("60s")
    assert worker.poll() is None


def completed(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.state is State.COMPLETED)
