"""A server whose disk is full, under a running worker: new jobs are refused, none that was acknowledged is lost, all goes on.

The disk is full as far as the server can tell: its files may not grow beyond a length, in the midst of a page. That needs
no privilege, and it can be the files of the log alone.
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

from oakum.errors import EnqueueUnknown, NotEnqueued
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


class LogVolume(NamedTuple):
    """A shop on a server that ends where its log finds no room, the longest file that it may have then, and what it says."""

    shop: Workshop
    server: PostgresServer | RedisServer
    longest: int
    why: str


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
    with limited("fsize", disk.longest, server_of(disk.port)):
        acknowledged, refusal = fill(shop)
    assert isinstance(refusal, NotEnqueued)
    assert "no room" in str(refusal)
    shop.until(lambda: completed(shop) == acknowledged)
    marks = Counter(shop.marks())
    assert set(marks) == {str(number) for number in range(acknowledged)}
    assert set(marks.values()) == {1}
    shop.tasks.note.enqueue(acknowledged, "").wait("60s")
    assert worker.poll() is None


@pytest.fixture(params=["postgres", "redis"])
def log_volume(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogVolume]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        place.chmod(0o755)
        server: PostgresServer | RedisServer
        if request.param == "postgres":
            server = stack.enter_context(PostgresServer(place / "server"))
            server.stop("fast")
            server.start("restart_after_crash=off")  # else it tries again, as long as nobody makes room
            # The last page of a file of its log finds no room, all other files do.
            longest, why = 16 * MIB - 4096, "PANIC:  could not write to log file"
        else:
            server = stack.enter_context(RedisServer(place, "--appendfsync", "always"))
            longest, why = 2 * MIB + 1, "Can't recover from AOF write error"
        shop = Workshop(tmp_path, SOURCE.format(url=server.url))
        stack.callback(shop.close)
        yield LogVolume(shop, server, longest, why)


@pytest.mark.timeout(200)
def test_a_server_that_ends_for_want_of_room_for_its_log_takes_no_acknowledged_job_with_it(log_volume) -> None:
    """PostgreSQL panics, and Redis that is to sync each write ends, too: somebody makes room, and starts it again."""
    shop, server, longest, why = log_volume
    worker = shop.worker()
    shop.until(lambda: any(holder.report for holder in shop.app.store.holders()))
    with limited("fsize", longest, server_of(server.port)):
        acknowledged, _ = fill(shop)
        shop.until(lambda: not server_of(server.port))  # it hit
        shop.until(lambda: "cannot reach the server" in shop.said())
    assert why in server.log
    server.start()
    shop.until(lambda: completed(shop) >= acknowledged and not waiting(shop))
    marks = {int(mark) for mark in shop.marks()}
    assert marks >= set(range(acknowledged))
    assert len(marks) == completed(shop)  # of the batch that got no answer, too, none ended without having run
    shop.tasks.note.enqueue(acknowledged, "").wait("60s")
    assert worker.poll() is None
    said = shop.said().splitlines()
    assert len(said) == len(set(said))  # each trouble once, however often it tried


def fill(shop: Workshop) -> tuple[int, NotEnqueued | EnqueueUnknown]:
    """Enqueues until that fails: how many jobs were acknowledged, and how it failed."""
    acknowledged = 0
    while acknowledged < 60_000:
        batch = [shop.tasks.note.job(acknowledged + number, "x" * PAD) for number in range(500)]
        try:
            shop.app.enqueue_many(batch)
            acknowledged += len(batch)
        except (NotEnqueued, EnqueueUnknown) as error:
            return acknowledged + error.acknowledged, error
    raise AssertionError("the disk has not become full")


def completed(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if count.state is State.COMPLETED)


def waiting(shop: Workshop) -> int:
    return sum(count.jobs for count in shop.app.store.counts() if not count.state.terminal)
