"""Group commit: many callers, few commits; one caller's trouble is his own; and a commit whose end nobody knows."""

from __future__ import annotations

import threading

import apsw
import pytest

from oakum.errors import EnqueueUnknown, NotEnqueued, StoreError, StoreFull
from oakum.model.ids import id_text
from oakum.model.job import NewJob, State, Unique
from oakum.model.outcome import Completed
from oakum.store.base import Mark
from oakum.store.sqlite.connection import Undecided
from oakum.store.sqlite.turnstile import Turnstile

SECONDS = 30


@pytest.fixture
def commits(bench, monkeypatch):
    """How each commit of new jobs went: what was written, by the number of jobs there were after it."""
    seen: list[int] = []
    bench.plain(1)  # the names have numbers, and the ballast is there
    inserter = bench.store._inserter
    write = inserter._write

    def counted(tickets):
        answers = write(tickets)
        seen.append(sum(len(ticket.jobs) for ticket in tickets))
        return answers

    monkeypatch.setattr(inserter.group, "_write", counted)
    return seen


class Caller(threading.Thread):
    """Inserts some jobs; what came of it."""

    def __init__(self, bench, jobs) -> None:
        super().__init__(daemon=True)
        self.bench, self.jobs = bench, tuple(jobs)
        self.marks, self.error = None, None

    def run(self) -> None:
        try:
            self.marks = self.bench.insert(*self.jobs)
        except Exception as error:
            self.error = error


def insert_together(bench, batches) -> list[Caller]:
    """All callers but the first wait behind the first, who waits for the turnstile."""
    inserter = bench.store._inserter
    callers = [Caller(bench, jobs) for jobs in batches]
    turnstile = Turnstile(bench.store._connection.directory)
    with turnstile:
        callers[0].start()
        wait_until(inserter.group._committing.locked)
        wait_until(lambda: not inserter.group._waiting)
        for caller in callers[1:]:
            caller.start()
            wait_until(lambda jobs=caller.jobs: jobs in [ticket.jobs for ticket in inserter.group._waiting])
    turnstile.close()
    for caller in callers:
        caller.join(SECONDS)
        assert not caller.is_alive()
    return callers


def wait_until(condition) -> None:
    pause = threading.Event()
    for _ in range(SECONDS * 1000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to that")


def plain(bench, count):
    return [NewJob(bench.id(), "t", b"") for _ in range(count)]


def test_callers_who_wait_share_a_commit(bench, commits):
    callers = insert_together(bench, [plain(bench, size) for size in (1, 2, 3, 4)])
    assert [(caller.marks, caller.error) for caller in callers] == [([], None)] * 4
    assert commits == [1, 9]
    assert bench.counts() == {State.AVAILABLE: 11}


def test_each_caller_gets_his_own_marks(bench, commits):
    keyed = [NewJob(bench.id(), "t", b"", unique=Unique(b"k")) for _ in range(3)]
    batches = [plain(bench, 1), [keyed[0]], [*plain(bench, 1), keyed[1]], [keyed[2]]]
    callers = insert_together(bench, batches)
    assert [caller.marks for caller in callers] == [[], [], [Mark(1, keyed[0].id)], [Mark(0, keyed[0].id)]]
    assert commits == [1, 4]


def test_jobs_that_cannot_be_written_fail_their_caller_alone(bench, commits):
    bad = [*plain(bench, 1), NewJob(bench.id(), "t", b"", priority=1 << 70)]
    callers = insert_together(bench, [plain(bench, 1), plain(bench, 2), bad, plain(bench, 3)])
    assert [type(caller.error) for caller in callers] == [type(None), type(None), OverflowError, type(None)]
    assert commits == [1, 2, 3]
    assert bench.counts() == {State.AVAILABLE: 7}, "none of the bad caller's jobs is in"


def test_a_store_that_fails_says_so_to_all(bench, commits, monkeypatch):
    def full(*what):
        raise StoreFull("work.db: the disk is full")

    monkeypatch.setattr(bench.store._inserter, "keep_room", full)
    callers = insert_together(bench, [plain(bench, 1), plain(bench, 2), plain(bench, 3)])
    assert [type(caller.error) for caller in callers] == [NotEnqueued] * 3
    assert all(isinstance(caller.error.__cause__, StoreFull) for caller in callers)
    assert bench.counts() == {State.AVAILABLE: 1}


def failing_commits(connection, monkeypatch, *happened: bool):
    """The next commits fail on the disk: each has happened all the same, or not."""
    real, ends = connection._commit, list(happened)

    def commit(db):
        if not ends:
            return real(db)
        db.execute("COMMIT" if ends.pop(0) else "ROLLBACK")
        raise Undecided("work.db: the disk failed in a commit") from apsw.IOError("disk I/O error")

    monkeypatch.setattr(connection, "_commit", commit)
    return ends


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_of_unknown_end_is_asked_again(bench, commits, monkeypatch, happened):
    ends = failing_commits(bench.store._connection, monkeypatch, happened)
    assert bench.insert(*plain(bench, 3), NewJob(bench.id(), "t", b"", unique=Unique(b"k"))) == []
    assert ends == []
    assert bench.counts() == {State.AVAILABLE: 5}


def test_two_unknown_ends_are_an_unknown_end(bench, commits, monkeypatch):
    failing_commits(bench.store._connection, monkeypatch, False, True)
    jobs = plain(bench, 2)
    with pytest.raises(EnqueueUnknown) as error:
        bench.insert(*jobs)
    assert error.value.job_id == id_text(jobs[0].id)
    assert id_text(jobs[0].id) in str(error.value)
    assert bench.insert(*jobs) == []
    assert bench.counts() == {State.AVAILABLE: 3}


def test_an_unknown_end_followed_by_a_clear_failure_stays_unknown(bench, commits, monkeypatch):
    failing_commits(bench.store._connection, monkeypatch, True)
    keep, calls = bench.store._inserter.keep_room, []

    def full_the_second_time(*what):
        calls.append(what)
        if len(calls) > 1:
            raise StoreFull("work.db: the disk is full")
        keep(*what)

    monkeypatch.setattr(bench.store._inserter, "keep_room", full_the_second_time)
    with pytest.raises(EnqueueUnknown):
        bench.plain(1)
    assert len(calls) == 2
    assert bench.counts() == {State.AVAILABLE: 2}


def test_after_an_error_of_the_disk_the_file_is_opened_anew(bench):
    bench.plain(1)
    connection = bench.store._connection
    before = connection._db
    with pytest.raises(StoreError, match="the disk failed"), connection.write("FULL") as db:
        db.execute("DELETE FROM job")
        raise apsw.IOError("disk I/O error")
    assert bench.counts() == {State.AVAILABLE: 1}
    assert connection._db is not before


def test_a_settle_of_unknown_end_can_be_repeated(bench, monkeypatch):
    bench.plain(1)
    worker = bench.worker()
    settlement = bench.judge(bench.claim_one(worker), Completed())
    failing_commits(bench.store._connection, monkeypatch, True)
    with pytest.raises(StoreError, match="failed in a commit"):
        bench.settle(worker, settlement)
    assert bench.settle(worker, settlement) == [0]
    assert bench.counts() == {State.COMPLETED: 1}


def test_who_is_interrupted_takes_nobody_with_him(bench, commits, monkeypatch):
    inserter = bench.store._inserter
    write, interrupted = inserter.group._write, []

    def once(tickets):
        if len(tickets) > 1 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return write(tickets)

    monkeypatch.setattr(inserter.group, "_write", once)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    callers = insert_together(bench, [plain(bench, size) for size in (1, 2, 3, 4)])
    assert interrupted
    stopped = [caller for caller in callers if caller.marks is None]
    assert len(stopped) == 1, "only who was interrupted does not know"
    missing = sum(len(caller.jobs) for caller in stopped)
    assert bench.counts() == {State.AVAILABLE: 11 - missing}


def test_refs_rise_from_where_pruned_jobs_ended(bench):
    ids = [job.id for job in bench.plain(5)]
    bench.store.cancel(ids, bench.now)
    bench.clock.advance(1e6)
    assert bench.store.prune(bench.now) == 5
    for _ in range(2):
        bench.plain(1)
    assert [job.ref for job in bench.claim(bench.worker())] == [6, 7]
