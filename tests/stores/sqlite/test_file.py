"""The file: whose it is, who may use it, what it costs, and one clear line where it can't be used."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

import apsw
import pytest

from oakum.errors import NotAStore, StoreError, StoreTooNew
from oakum.model.job import JobQuery, NewJob, State, Unique
from oakum.model.outcome import Completed, Failed, Released
from oakum.model.retry import RetryRule
from oakum.model.task import TaskSpec
from oakum.store.base import Instant, Want
from oakum.store.open import open_store
from oakum.store.sqlite import claim, connection, read, schema, settle
from oakum.store.sqlite.store import SqliteStore
from oakum.testing.conformance.bench import Bench


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_nothing_is_made_before_it_is_needed(path, tmp_path):
    SqliteStore(path).close()
    assert os.listdir(tmp_path) == []


def test_a_file_of_a_newer_schema_is_refused_and_left_alone(path, bench):
    bench.plain(1)
    bench.close()
    db = apsw.Connection(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(StoreTooNew) as error:
        bench.store.counts()
    assert f"schema {schema.VERSION + 1}" in one_line(error)
    assert "upgrade Oakum" in one_line(error)


def test_what_is_no_database_is_refused_and_left_alone(path, tmp_path):
    text = b"precious notes, and long enough to have a header " * 100
    with open(path, "wb") as file:
        file.write(text)
    with pytest.raises(NotAStore) as error:
        SqliteStore(path).counts()
    assert "not a SQLite database" in one_line(error)
    assert os.listdir(tmp_path) == ["work.db"]
    with open(path, "rb") as file:
        assert file.read() == text


@pytest.mark.parametrize("mark", ["CREATE TABLE precious(x)", "PRAGMA application_id = 7", "PRAGMA user_version = 7"])
def test_somebody_elses_database_is_refused_and_left_alone(path, tmp_path, mark):
    db = apsw.Connection(path)
    db.execute(mark)
    db.close()
    before = os.stat(path).st_size
    with pytest.raises(NotAStore) as error:
        SqliteStore(path).counts()
    assert "not one of Oakum's" in one_line(error)
    assert os.listdir(tmp_path) == ["work.db"]
    assert os.stat(path).st_size == before
    assert apsw.Connection(path).execute("PRAGMA journal_mode").fetchall() == [("delete",)]


@pytest.mark.parametrize("option", ["library=apsw", "library=sqlite3"])
def test_a_program_that_names_its_library_has_the_store_beside_its_own_tables(path, option):
    db = apsw.Connection(path)
    db.execute("CREATE TABLE precious(x); INSERT INTO precious VALUES(1)")
    db.close()
    for alone in (True, False):  # as a worker, and as the program itself
        with contextlib.closing(open_store(f"sqlite:///{path}?{option}", alone=alone)) as store:
            assert store.counts() == []
    with contextlib.closing(SqliteStore(path)) as store:
        assert store.counts() == [], "it is one now"
    assert apsw.Connection(path).execute("SELECT x FROM precious").fetchall() == [(1,)]


@pytest.mark.parametrize("mark", ["CREATE TABLE Job(x)", "PRAGMA application_id = 7", "PRAGMA user_version = 7"])
def test_a_store_takes_no_name_and_no_number_of_somebody_elses(path, tmp_path, mark):
    db = apsw.Connection(path)
    db.execute(mark)
    db.close()
    with pytest.raises(NotAStore) as error, contextlib.closing(open_store(f"sqlite:///{path}?library=apsw")) as store:
        store.counts()
    assert ("'job' already" if "Job" in mark else "not one of Oakum's") in one_line(error)
    assert os.listdir(tmp_path) == ["work.db"]


def test_an_empty_file_becomes_a_store(path):
    open(path, "w").close()
    assert SqliteStore(path).counts() == []


def test_a_missing_directory_is_named(tmp_path):
    path = tmp_path / "no" / "such" / "work.db"
    with pytest.raises(StoreError) as error:
        SqliteStore(str(path)).counts()
    assert str(path) in one_line(error)
    assert "check that the directory exists" in one_line(error)


def test_a_directory_instead_of_a_file_is_refused(tmp_path):
    with pytest.raises(StoreError, match="cannot open"):
        SqliteStore(str(tmp_path)).counts()


def test_a_file_on_a_network_file_system_is_refused(path, tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 21 0:20 / {tmp_path} rw - nfs4 server:/export rw\n")
    refuse = connection.refuse_network
    monkeypatch.setattr(connection, "refuse_network", lambda path: refuse(path, str(mounts)))
    with pytest.raises(StoreError) as error:
        SqliteStore(path).counts()
    assert "network file system (nfs4)" in one_line(error)
    assert not os.path.exists(path)


@contextlib.contextmanager
def somebody_without_rights():
    """Root may write anything: to be refused, it has to be somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("locked", ["file", "directory"])
def test_a_store_that_may_only_be_read_is_refused(clock, locked):
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/work.db"
        if locked == "file":
            bench = Bench(lambda: SqliteStore(path), clock)
            bench.plain(1)
            bench.close()
            os.chmod(path, 0o444)
            os.chmod(f"{path}-oakum", 0o777)
        os.chmod(directory, 0o777 if locked == "file" else 0o555)
        with somebody_without_rights(), pytest.raises(StoreError) as error:
            SqliteStore(path).pause("q", True)
        os.chmod(directory, 0o755)
    assert directory in one_line(error)
    assert "write" in one_line(error) or "written" in one_line(error)


def test_a_damaged_file_says_so(path, bench):
    bench.plain(2000)
    bench.close()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(os.stat(path).st_size - 4096))
    with pytest.raises(StoreError) as error:
        bench.store.jobs(JobQuery())
    assert "damaged" in one_line(error)


@pytest.mark.parametrize(("mode", "directory"), [(0o600, 0o700), (0o644, 0o700), (0o660, 0o770), (0o666, 0o777)])
def test_what_lies_beside_has_the_files_own_mode(path, mode, directory):
    open(path, "w").close()
    os.chmod(path, mode)
    store = SqliteStore(path)
    bell = store.listen("work")
    store.insert([NewJob(b"i" * 16, "t", b"")], Instant(1, 1))
    beside = f"{path}-oakum"
    modes = {name: stat.S_IMODE(os.stat(os.path.join(beside, name)).st_mode) for name in os.listdir(beside)}
    assert stat.S_IMODE(os.stat(beside).st_mode) == directory
    assert {name.partition(".")[0] for name in modes} == {"turn", "hold", "left", "ballast", "work"}
    assert set(modes.values()) == {mode & 0o666}
    bell.close()
    store.close()


def test_what_root_makes_belongs_to_the_files_owner(path, monkeypatch):
    """Anybody may give a file to its owner; who is root here gives it to somebody else."""
    given = {}
    chown = os.chown
    open(path, "w").close()
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    owner = os.stat(path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda name, user, group: given.update({name: chown(name, user, group)}))
    store = SqliteStore(path)
    store.pause("q", True)
    bell = store.listen("work")
    beside = [f"{path}-oakum", *(os.path.join(f"{path}-oakum", name) for name in os.listdir(f"{path}-oakum"))]
    assert {(os.stat(name).st_uid, os.stat(name).st_gid) for name in beside} == {(owner.st_uid, owner.st_gid)}
    assert set(beside) <= set(given)
    bell.close()
    store.close()


def test_the_place_of_the_file_does_not_move_with_the_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("work.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.pause("q", True)
    store.close()
    assert (tmp_path / "work.db").exists()


def test_after_a_close_another_file_may_stand_there(path, bench):
    bench.plain(1, task="first", queue="one")
    bench.close()
    os.unlink(path)
    bench.plain(1, task="second", queue="two")
    assert [(count.queue, count.task) for count in bench.store.counts()] == [("two", "second")]


def test_a_waiting_job_takes_little_room(path, bench):
    for _ in range(20):
        bench.plain(1000)
    bench.close()
    assert os.stat(path).st_size / 20_000 < 120


def test_a_settled_job_takes_little_room(path, bench):
    worker = bench.worker()
    for _ in range(10):
        bench.plain(1000)
        bench.settle(worker, *(bench.judge(job, Completed()) for job in bench.claim(worker)))
    bench.close()
    assert os.stat(path).st_size / 10_000 < 180


def test_a_pruned_job_leaves_nothing_behind(bench):
    worker = bench.worker()
    retrying = TaskSpec("t", retry=(RetryRule(1, delay_s=0),))
    jobs = [NewJob(bench.id(), "t", b"p", unique=key and Unique(key), idempotency=key) for key in (b"k", None, None)]
    bench.insert(*jobs)
    done, asked, _ = bench.claim(worker)
    bench.settle(worker, bench.judge(done, Failed("E"), retrying, b"a log"))
    bench.settle(worker, bench.judge(bench.claim_one(worker), Completed(), retrying, b"more"))
    bench.store.progress({asked.ref: b"half"}, worker)
    bench.store.cancel([jobs[1].id, jobs[2].id], bench.now)
    bench.settle(worker, *(bench.judge(job, Released()) for job in bench.store.held(worker, 9)))
    bench.clock.advance(1e7)
    assert bench.store.prune(bench.now) == 3
    with bench.store._connection.read() as db:
        for table in ("job", "start", "log", "progress", "mark", "ask"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)], table
        assert db.execute("SELECT value FROM total WHERE name = 'logs'").fetchall() == [(0,)]


def test_logs_are_bounded_in_all_and_the_oldest_go_first(bench, monkeypatch):
    monkeypatch.setattr(settle, "LOGS_KEPT_BYTES", 100_000)
    jobs = bench.plain(300)
    worker = bench.worker()
    for start in range(3):
        some = bench.claim(worker, limit=100)
        bench.settle(worker, *(bench.judge(job, Completed(), log=b"%d" % start * 1000) for job in some))
    stories = [bench.store.story(job.id) for job in jobs]
    kept = [place for place, story in enumerate(stories) if story.log]
    assert kept == list(range(200, 300))
    with bench.store._connection.read() as db:
        assert db.execute(
            "SELECT value, (SELECT sum(length(text)) FROM log) FROM total WHERE name = 'logs'"
        ).fetchall() == [(100_000, 100_000)]


def test_an_expired_job_is_not_handed_out_even_when_there_are_too_many_to_end_at_once(bench, monkeypatch):
    monkeypatch.setattr(claim, "PROMOTED_AT_ONCE", 2)
    bench.insert(*(NewJob(bench.id(), "t", b"", expires_ms=bench.later(1)) for _ in range(5)))
    good = NewJob(bench.id(), "t", b"")
    bench.insert(good)
    bench.clock.advance(2)
    assert [job.id for job in bench.claim(bench.worker())] == [good.id]
    assert bench.counts() == {State.AVAILABLE: 3, State.RUNNING: 1, State.EXPIRED: 2}


def plans(bench: Bench, use) -> str:
    """How SQLite goes about all that `use` asks of it."""
    seen: dict[str, object] = {}
    with bench.store._connection.read() as db:
        db.exec_trace = lambda cursor, sql, values: bool(seen.setdefault(sql, values) or True)
        use()
        db.exec_trace = None
        asked = {sql: values for sql, values in seen.items() if not sql.startswith(("PRAGMA", "BEGIN", "SAVE", "REL"))}
        assert len(asked) > 30
        return "\n".join(
            f"{row[-1]}  <-  {' '.join(sql.split())}"
            for sql, values in asked.items()
            for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        )


def test_no_verb_reads_all_jobs(bench):
    jobs = bench.plain(3)
    bench.insert(NewJob(bench.id(), "t", b"", unique=Unique(b"k"), idempotency=b"l", run_at_ms=bench.later(1)))
    worker = bench.worker()
    claimed = bench.claim(worker, limit=1)

    def use() -> None:
        store, now = bench.store, bench.now
        store.claim(Want(worker, ("default",), {"t": 1}, 10, 1), now)
        store.settle([bench.judge(claimed[0], Completed())], worker, now)
        store.held(worker, 10)
        store.cancelled(worker)
        store.cancel([jobs[0].id, jobs[1].id], now)
        store.promote(now)
        store.next_due(bench.now)
        store.prune(now)
        store.prunable(now)
        store.outcome(jobs[0].id)
        store.story(jobs[0].id)
        store.retry({jobs[0].id: bench.id()}, now)
        store.jobs(JobQuery(states=(State.COMPLETED,), task="t", tag="x"))
        store.insert([NewJob(bench.id(), "t", b"", unique=Unique(b"k"), idempotency=b"m")], now)
        store.discharge(worker)
        bench.clock.advance(1e7)
        store.claim(Want(worker, ("default",), {"t": 1}, 10, 1), bench.now)
        assert store.prune(bench.now) > 0

    told = plans(bench, use)
    whole_tables = [line for line in told.splitlines() if line.startswith("SCAN job") and "USING" not in line]
    assert not whole_tables, told
    sorted_lines = [line for line in told.splitlines() if "TEMP B-TREE" in line and "job" in line]
    assert not sorted_lines, told


def test_a_page_looks_at_a_bounded_number_of_jobs(bench, monkeypatch):
    monkeypatch.setattr(read, "LOOKED_AT", 10)
    needle = NewJob(bench.id(), "t", b"", tags=("needle",))
    bench.insert(needle)
    bench.plain(35)
    query, pages = JobQuery(tag="needle"), 0
    while True:
        page = bench.store.jobs(query)
        pages += 1
        if page.jobs or page.before is None:
            break
        query = JobQuery(tag="needle", before=page.before)
    assert [view.id for view in page.jobs] == [needle.id]
    assert pages == 4


def test_every_page_together_is_every_job(bench, monkeypatch):
    monkeypatch.setattr(read, "LOOKED_AT", 5)
    ids = [job.id for job in bench.plain(20)]
    seen, before = [], None
    while True:
        page = bench.store.jobs(JobQuery(states=(State.AVAILABLE,), limit=3, before=before))
        seen += [view.id for view in page.jobs]
        before = page.before
        if before is None:
            break
    assert seen == ids[::-1]
