"""`oakum purge` as people run it: a process of its own, signals, a full disk, and being killed half way."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from tests.support.own_mounts import OWN_MOUNTS, may_mount
from tests.support.small_disk import empty

OAKUM = [sys.executable, "-m", "oakum", "purge"]
SECONDS = 60.0
MIB = 1024 * 1024


@pytest.fixture
def environment(tmp_path):
    return os.environ | {"XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm"}


@pytest.fixture
def database(tmp_path):
    """A SQLite file with 20,000 old events, 10 new ones, and a second connection to look at it."""
    connection = apsw.Connection(str(tmp_path / "work.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, created TEXT, body TEXT)")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20010) INSERT INTO events "
        "SELECT i, CASE WHEN i <= 20000 THEN '2020-01-01 00:00:00' ELSE '2999-01-01 00:00:00' END, printf('%0100d', i) FROM n"
    )
    yield connection
    connection.close()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/work.db"


def count(database):
    return database.execute("SELECT count(*) FROM events").fetchone()[0]


def run(*words, environment, **given):
    return subprocess.run(
        [*OAKUM, *words], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False, **given
    )


def until(condition):
    """Waits for a condition that another process brings about."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        select.select([], [], [], 0.005)


def old(url, *more):
    return ["table", url, "events", "--older-than", "90d", "--column", "created", *more]


def test_a_dry_run_and_then_the_deed(url, database, environment):
    dry = run(*old(url, "--dry-run"), environment=environment)
    assert (dry.returncode, count(database)) == (0, 20_010)
    assert "20,000 rows would go (dry run: nothing was touched)" in dry.stdout
    done = run(*old(url), environment=environment)
    assert (done.returncode, count(database)) == (0, 10)
    assert "20,000 rows deleted in" in done.stdout


def test_json_for_programs(url, database, environment):
    done = run(*old(url, "--format", "json", "--max-rows", "50"), environment=environment)
    [report] = json.loads(done.stdout)
    assert (report["rows"], report["ended"], report["unit"]) == (50, "max rows", "rows")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["events", "--where", "id>0"], "the condition matches every row; say --all (all=True) if you mean that"),
        (
            ["events", "--older-than", "90d", "--column", "made"],
            "table events has no column 'made'; it has id, created, body",
        ),
        (["events", "--older-than", "soon", "--column", "created"], "older_than: 'soon' is not a duration"),
        (["event", "--where", "id<9"], "has no table 'event'"),
        (["events", "--where", "id<9 OR 1=1"], "'9 OR 1=1' does not fit id, which holds integer values"),
        (["events", "--where", "id<9", "--max-lock", "never"], "max_lock: 'never' is not a duration"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(url, database, environment, words, line):
    wrong = run("table", url, *words, environment=environment)
    assert (wrong.returncode, wrong.stdout, count(database)) == (2, "", 20_010)
    assert line in wrong.stderr
    assert wrong.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_batch_and_the_same_command_goes_on(url, database, environment, number):
    process = subprocess.Popen(
        [*OAKUM, *old(url, "--pause", "100ms")], env=environment, stdout=subprocess.PIPE, text=True
    )
    until(lambda: count(database) < 20_010)
    process.send_signal(number)
    out, _ = process.communicate(timeout=SECONDS)
    left = count(database)
    assert process.returncode == 128 + number
    assert "ended early (stopped): the same command goes on from there" in out
    assert f"{20_010 - left:,} rows deleted" in out
    assert left > 10
    again = run(*old(url, "--format", "json"), environment=environment)
    assert json.loads(again.stdout)[0]["rows"] == left - 10
    assert count(database) == 10


def test_killed_half_way_it_goes_on_where_it_was(url, database, environment, tmp_path):
    process = subprocess.Popen([*OAKUM, *old(url, "--pause", "100ms")], env=environment, stdout=subprocess.DEVNULL)
    until(lambda: count(database) < 18_000)
    process.kill()
    process.wait(timeout=SECONDS)
    left = count(database)
    assert left > 10
    [position] = (tmp_path / "state" / "oakum" / "purge").iterdir()
    reached = json.loads(position.read_text())["key"]
    assert reached[-1][1] >= 20_000 - (left - 10) - 4_000  # at most the last batch behind what is gone
    again = run(*old(url, "--format", "json"), environment=environment)
    assert (again.returncode, count(database)) == (0, 10)
    assert json.loads(again.stdout)[0]["rows"] == left - 10
    assert not position.exists()


def test_two_commands_at_a_time_share_the_work(url, database, environment):
    command = [*OAKUM, *old(url, "--format", "json", "--pause", "1ms")]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    reports = [json.loads(process.communicate(timeout=SECONDS)[0])[0] for process in processes]
    assert sum(report["rows"] for report in reports) == 20_000
    assert [report["ended"] for report in reports] == ["done", "done"]
    assert count(database) == 10


def test_on_a_terminal_there_is_a_bar_with_rate_and_remaining_time(url, database, environment):
    leader, follower = pty.openpty()
    command = [*OAKUM, *old(url, "--pause", "200ms")]
    process = subprocess.Popen(
        command, env=environment | {"COLUMNS": "120"}, stdout=subprocess.DEVNULL, stderr=follower
    )
    os.close(follower)
    shown = b""
    while select.select([leader], [], [], SECONDS)[0]:
        try:
            shown += os.read(leader, 65536)
        except OSError:  # the process has closed its end
            break
    os.close(leader)
    assert process.wait(timeout=SECONDS) == 0
    assert b" of 20,000, " in shown
    assert b"/s, " in shown
    assert b" left" in shown


def test_files_with_a_pattern(tmp_path, environment):
    for name in ("a.gz", "b\nc.gz", "d.txt"):
        path = tmp_path / "replays" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        os.utime(path, (0, 0))
    done = run("files", str(tmp_path / "replays"), "--older-than", "90d", "--match", "*.gz", environment=environment)
    assert done.returncode == 0
    assert "2 files and empty directories deleted" in done.stdout
    assert os.listdir(tmp_path / "replays") == ["d.txt"]


@pytest.mark.skipif(not may_mount(), reason="no mounts for this user; tests/unit/purge/test_files.py models one")
def test_a_directory_that_is_mounted_from_elsewhere_is_not_entered(tmp_path, environment):
    for path in (tmp_path / "outside" / "precious.gz", tmp_path / "root" / "inner" / "a.gz"):
        path.parent.mkdir(parents=True)
        path.write_text("x")
        os.utime(path, (0, 0))
    (tmp_path / "root" / "bound").mkdir()
    script = 'mount --bind "$1/outside" "$1/root/bound"; ls "$1/root/bound"; shift; exec "$@"'
    words = [*OAKUM, "files", str(tmp_path / "root"), "--older-than", "90d"]
    command = [*OWN_MOUNTS, "sh", "-euc", script, "sh", str(tmp_path), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert "precious.gz" in done.stdout, done.stderr  # the mount was there
    assert "left alone: 'bound': on another file system or mount" in done.stderr
    assert done.returncode == 3
    assert (tmp_path / "outside" / "precious.gz").exists()
    assert not (tmp_path / "root" / "inner").exists()


ON_A_SMALL_DISK = """
import sys
from tests.support.small_disk import SmallDisk, fill
disk, size = sys.argv[1], int(sys.argv[2])
small = SmallDisk(disk, size)
"""
PURGE = """
from oakum.cli.main import main
status = main(sys.argv[3:])
print("refused", small.refused)
sys.exit(status)
"""


@pytest.fixture
def on_a_disk(tmp_path, environment):
    """Runs a program, or `oakum purge`, on a disk of so many bytes."""
    (tmp_path / "disk").mkdir()
    place = environment | {"PYTHONPATH": str(Path(__file__).parents[2])}

    def run_there(size, *words, program=PURGE):
        command = [sys.executable, "-c", ON_A_SMALL_DISK + program, str(tmp_path / "disk"), str(size), *words]
        return subprocess.run(command, env=place, capture_output=True, text=True, timeout=SECONDS, check=False)

    return run_there


FULL = """
import apsw
database = apsw.Connection(disk + "/work.db")
database.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                 "INSERT INTO events SELECT i, printf('%01000d', i) FROM n")
fill(disk, size)
"""


def test_on_a_full_disk_it_says_so_and_goes_on_when_there_is_room(tmp_path, on_a_disk):
    disk = tmp_path / "disk"
    assert on_a_disk(8 * MIB, program=FULL).returncode == 0
    words = ["purge", "table", f"sqlite:///{disk}/work.db", "events", "--where", "id<=4990", "--format", "json"]
    first = on_a_disk(8 * MIB, *words)
    report, refused = first.stdout.splitlines()
    assert refused != "refused 0"  # it hit
    assert (json.loads(report)[0]["ended"], first.returncode) == ("disk full", 3)
    empty(str(disk))
    second = on_a_disk(8 * MIB, *words)
    rest = json.loads(second.stdout.splitlines()[0])[0]
    assert (rest["ended"], rest["rows"], second.returncode) == ("done", 4990 - json.loads(report)[0]["rows"], 0)


OWN = """
import apsw
from oakum.clock import SystemClock
from oakum.errors import NotEnqueued
from oakum.model.job import NewJob
from oakum.store.base import Instant
from oakum.store.sqlite.store import SqliteStore
path = disk + "/work.db"
store, now = SqliteStore(path), Instant.read(SystemClock())
long_ago = now._replace(wall_ms=now.wall_ms - 400 * 86_400_000)
ids = [number.to_bytes(16, "big") for number in range(1, 6001)]
for start in range(0, 6000, 500):
    store.insert([NewJob(id=id, task="t", payload=b"x" * 1000) for id in ids[start:start + 500]], long_ago)
store.cancel(ids[:5000], long_ago)
assert store.prune(now, 1) == 1
apsw.Connection(path).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
fill(disk, size)
for number in range(7000, 20000):
    try:
        store.insert([NewJob(id=number.to_bytes(16, "big"), task="t", payload=b"x" * 9000)], now)
    except NotEnqueued:
        print("full")
        break
store.close()
"""


def test_oakums_own_store_frees_room_on_a_full_disk_and_goes_on(tmp_path, on_a_disk):
    disk = tmp_path / "disk"
    ballast = disk / "work.db-oakum" / "ballast"
    filled = on_a_disk(32 * MIB, program=OWN)
    assert filled.stdout == "full\n", filled.stderr
    assert ballast.stat().st_size
    done = on_a_disk(32 * MIB, "purge", "own", "--store", f"sqlite:///{disk}/work.db", "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[0])[0]
    assert (report["ended"], report["rows"]) == ("done", 4999)
    assert not ballast.exists()  # given up for it


def test_help_names_every_kind():
    shown = subprocess.run([*OAKUM, "--help"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    assert all(f"\n    {kind} " in shown for kind in ("table", "queryset", "files", "own", "ready"))
