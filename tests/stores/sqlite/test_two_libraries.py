"""Why a process opens the store with one library: two of SQLite's in one process take each other's locks away."""

from __future__ import annotations

import subprocess
import sys

import pytest

OTHER = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
try:
    db.execute("BEGIN IMMEDIATE")
    print("got the lock")
except apsw.BusyError:
    print("busy")
"""
HOLDER = """
import subprocess, sys
import apsw, sqlite3

path, mode = sys.argv[1:3]
db = apsw.Connection(path)
db.execute(f"PRAGMA journal_mode = {mode}")
db.execute("CREATE TABLE t(x)")
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO t VALUES(1)")
other = lambda: print(subprocess.run([sys.executable, "-c", sys.argv[3], path], capture_output=True, text=True).stdout.strip())
other()  # the lock is held
second = sqlite3.connect(path)
try:
    second.execute("SELECT count(*) FROM sqlite_master").fetchone()
except sqlite3.OperationalError:
    pass
second.close()
other()  # nobody has ended the transaction
"""


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_the_standard_librarys_closing_takes_our_lock_away_in_the_midst_of_a_transaction(mode, tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "work.db"), mode, OTHER]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    assert said[:2] == ["busy", "got the lock"]
