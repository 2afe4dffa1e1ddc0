"""New jobs are seen before they are on the disk, acknowledged only after; and what a disk that failed is believed."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import apsw
import pytest

from oakum.errors import EnqueueUnknown
from oakum.store.base import Want
from oakum.store.sqlite import log
from oakum.store.sqlite.connection import Connection
from oakum.store.sqlite.log import Log
from oakum.store.sqlite.store import SqliteStore


@pytest.fixture
def flushes(monkeypatch):
    """What is to happen at each flush of a log, in turn; then real ones."""
    flush, script = log._flush, []

    def scripted(fd):
        if script:
            script.pop(0)()
        return flush(fd)

    monkeypatch.setattr(log, "_flush", scripted)
    return script


def fail():
    raise OSError(errno.EIO, "Input/output error")


def test_a_job_is_started_while_its_caller_waits_for_the_disk(bench, path, flushes):
    bench.plain(1)  # the names have numbers
    other = SqliteStore(path)
    bell, claimed = other.listen("work"), []
    holder = bench.worker()

    def take():
        assert bell.wait(0), "its bell had rung"
        claimed.extend(other.claim(Want(holder, ("default",), {"t": 1}, 10, 10), bench.now))

    flushes.append(take)
    bench.plain(1)
    assert len(claimed) == 2 and flushes == []
    other.close()


def test_a_caller_hears_of_his_job_only_after_the_flush(bench, flushes):
    bench.plain(1)
    reached = []
    flushes.append(lambda: reached.append(True))
    bench.plain(1)
    assert reached == [True]


def test_after_a_failed_flush_only_the_file_itself_is_believed(bench, path, tmp_path, flushes):
    bench.plain(1)
    flushes.append(fail)
    bench.plain(2)
    assert flushes == [], "the flush has failed"
    alone = shutil.copy(path, tmp_path / "alone.db")  # without its log
    with apsw.Connection(str(alone)) as db:
        assert db.execute("SELECT count(*) FROM job").fetchone() == (3,)


def test_a_commit_that_can_not_be_brought_to_the_disk_is_an_unknown_end(bench, flushes, monkeypatch):
    bench.plain(1)
    monkeypatch.setattr(Connection, "_copy_log", lambda self, db: fail())
    flushes.append(fail)
    with pytest.raises(EnqueueUnknown, match="Input/output error"):
        bench.plain(1)
    monkeypatch.undo()
    assert bench.plain(1), "and then the disk works again"


def test_a_log_that_was_copied_in_part_stays_in_doubt(tmp_path: Path, flushes):
    file = tmp_path / "some-wal"
    file.touch()
    one = Log(str(file))
    flushes.append(fail)
    for _ in range(2):
        with pytest.raises(apsw.IOError, match="only 3 of the log's 5 pages"):
            one.flush(lambda: (5, 3))  # as where some reader looks at the past
    one.close()
