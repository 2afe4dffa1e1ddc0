"""A full disk: new jobs are refused, what was begun is finished, and room that comes back is taken again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.support import small_disk
from tests.support.own_mounts import OWN_MOUNTS, may_mount

from oakum.errors import NotEnqueued, StoreFull
from oakum.model.job import NewJob, State
from oakum.model.outcome import Completed
from oakum.store.sqlite.ballast import SIZE, Ballast
from oakum.store.sqlite.directory import Directory


@pytest.fixture
def ballast(path):
    open(path, "w").close()
    return Ballast(Directory(path))


def weight(path: str) -> int:
    """Bytes on the disk, not only in name."""
    return os.stat(f"{path}-oakum/ballast").st_blocks * 512


def test_ballast_is_made_kept_and_given_up(ballast, path):
    assert ballast.keep()
    assert weight(path) >= SIZE
    made = os.stat(f"{path}-oakum/ballast").st_mtime_ns
    assert ballast.keep()
    assert os.stat(f"{path}-oakum/ballast").st_mtime_ns == made
    ballast.give_up()
    ballast.give_up()
    assert not os.path.exists(f"{path}-oakum/ballast")
    assert ballast.keep()


@pytest.mark.parametrize(("number", "kept"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EOPNOTSUPP, True)])
def test_without_room_there_is_none_and_without_support_none_is_asked_for(ballast, path, monkeypatch, number, kept):
    def refuse(fd, start, size):
        os.pwrite(fd, b"a part of it", 0)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert ballast.keep() is kept
    assert not os.path.exists(f"{path}-oakum/ballast"), "a part of it would only take room"


class Disk:
    """A disk of so many pages: SQLite itself says that it is full. What is given up, it has again."""

    def __init__(self, bench, monkeypatch) -> None:
        self.connection = bench.store._connection
        self.given_up = 0
        self.room_for_ballast = True
        monkeypatch.setattr(Ballast, "give_up", lambda ballast: self.give_up())
        monkeypatch.setattr(Ballast, "keep", lambda ballast: self.room_for_ballast)

    def fill(self) -> None:
        self.room_for_ballast = False
        with self.connection.read() as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count = {pages}")

    def give_up(self) -> None:
        self.given_up += 1
        with self.connection.read() as db:
            db.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
def disk(bench, monkeypatch):
    return Disk(bench, monkeypatch)


BIG = b"x" * 2_000_000


def test_what_was_begun_is_finished(bench, disk):
    (job,) = bench.plain(1)
    worker = bench.worker()
    claimed = bench.claim_one(worker)
    disk.fill()
    bench.end(worker, claimed, Completed(BIG))
    assert disk.given_up == 1
    assert bench.record(job.id).outcome == Completed(BIG)
    assert bench.counts() == {State.COMPLETED: 1}


def test_a_lease_is_renewed(bench, disk):
    worker = bench.worker()
    disk.fill()
    assert bench.store.renew(worker, 1000, BIG, bench.now)
    assert disk.given_up == 1


def test_new_jobs_are_refused_while_there_is_no_room_to_finish_old_ones(bench, disk):
    bench.plain(1)
    disk.fill()
    with pytest.raises(NotEnqueued, match="disk is full but for") as error:
        bench.insert(NewJob(bench.id(), "t", b""))
    assert isinstance(error.value.__cause__, StoreFull)
    assert disk.given_up == 0, "not for new jobs"
    assert bench.counts() == {State.AVAILABLE: 1}
    disk.give_up()
    disk.room_for_ballast = True
    bench.plain(1)
    assert bench.counts() == {State.AVAILABLE: 2}


def test_room_inside_the_file_is_room(bench, disk):
    jobs = [NewJob(bench.id(), "t", bytes(20_000)) for _ in range(300)]
    bench.insert(*jobs)
    disk.fill()
    with pytest.raises(NotEnqueued):
        bench.plain(1)
    bench.store.cancel([job.id for job in jobs], bench.now)
    bench.clock.advance(1e6)
    assert bench.store.prune(bench.now) == 300
    bench.plain(1)
    assert bench.counts() == {State.AVAILABLE: 1}


def test_a_new_job_that_does_not_fit_is_refused_and_nothing_of_it_stays(bench, disk):
    bench.plain(1)
    disk.fill()
    disk.room_for_ballast = True
    with pytest.raises(NotEnqueued, match="disk is full"):
        bench.insert(NewJob(bench.id(), "t", b""), NewJob(bench.id(), "t", BIG))
    assert bench.counts() == {State.AVAILABLE: 1}


FULL = """
store.insert([new() for _ in range(3000)], now())
holder = store.enrol(Identity("host", "boot", 1, 1, 1), 30_000, now())
want = Want(holder, ("default",), {"t": 1}, 10_000, 300)
spec = TaskSpec("t", result_ttl_s=0)
first = store.claim(want, now())
fill()
say("free", free())
def finish(jobs): return store.settle([settle(job, Completed(b"r" * 2000), None, spec, now().wall_ms, 0.5) for job in jobs], holder, now())
say("late", finish(first))
say("ballast", os.path.exists(path + "-oakum/ballast"))
refused = 0
try: store.insert([new()], now())
except NotEnqueued as error: refused += isinstance(error.__cause__, StoreFull)
say("refused", refused)
ended, pruned = len(first), 0
while jobs := store.claim(want, now()):
    assert finish(jobs) == []
    ended += len(jobs)
    while gone := store.prune(now()): pruned += gone
say("ended", ended, "pruned", pruned, "renewed", store.renew(holder, 1000, b"", now()))
empty()
store.insert([new()], now())
say("ballast", os.path.exists(path + "-oakum/ballast"))
say([(count.state.label, count.jobs) for count in store.counts()])
with store._connection.read() as db: say(db.execute("PRAGMA integrity_check").fetchall())
"""


DISK = 16 * 1024 * 1024
MOUNTED = """
def fill():
    with open(f"{disk}/filler", "wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)): pass
        except OSError: pass
def free(): return os.statvfs(disk).f_bavail
def empty(): os.unlink(f"{disk}/filler")
"""
MODELLED = """
sys.path.insert(0, words[0])
from tests.support import small_disk
small = small_disk.SmallDisk(disk, DISK)
def fill(): small_disk.fill(disk, DISK)
def free(): return small.free()
def empty(): small_disk.empty(disk)
"""


@pytest.mark.parametrize("kind", ["modelled", *(["mounted"] if may_mount() else [])])
def test_a_worker_goes_on_on_a_disk_that_is_full(tmp_path, start, kind):
    """A small disk, filled to the last byte: one whose writes SQLite sees fail, and a real file system."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={DISK} tmpfs "$0"; exec "$@"'
    wrapper = (*OWN_MOUNTS, "sh", "-euc", mount, str(disk)) if kind == "mounted" else ()
    head = f"DISK = {DISK}; disk = {str(disk)!r}\n" + (MOUNTED if kind == "mounted" else MODELLED)
    store = "path = f'{disk}/work.db'; store = SqliteStore(path)\n"
    root = str(Path(small_disk.__file__).parents[2])
    process = start(head + store + FULL, root, wrapper=wrapper)
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert said.splitlines() == [
        "free 0",
        "late []",
        "ballast False",
        "refused 1",
        "ended 3000 pruned 3000 renewed True",
        "ballast True",
        "[('available', 1)]",
        "[('ok',)]",
    ]
