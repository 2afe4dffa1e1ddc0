"""`oakum store`: what it prints, and its exit status."""

from __future__ import annotations

import json

import apsw

from oakum.inspector.move import Place
from oakum.store.moving import Notice
from oakum.store.shown import address
from oakum.store.sqlite.moving import SqliteMoving
from oakum.store.sqlite.store import SqliteStore


def test_a_sound_store_is_said_to_be_so(oakum, bench):
    bench.plain(3)
    said = oakum("store", "check")
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == [
        "open: sound", "pages and indexes: sound", "counts: sound", "leases: sound", "keys: sound"
    ]  # fmt: skip


def test_a_finding_is_a_line_with_its_remedy_and_the_status_is_1(oakum, bench):
    bench.plain(3)
    db = apsw.Connection("oakum.db")
    db.execute("UPDATE tally SET jobs = 4")
    db.close()
    said = oakum("store", "check", "sqlite:///oakum.db")
    assert said.status == 1
    assert said.out.splitlines()[2:4] == [
        "counts: not sound",
        (
            "  queue default, task t: counts 4 available jobs of 3 B, has 3 of 3 B;"
            " move it into a new store, which counts anew: oakum store move"
        ),
    ]
    found = json.loads(oakum("store", "check", "--format", "json").out)
    assert found["sound"] is False
    (finding,) = next(look["findings"] for look in found["looks"] if look["what"] == "counts")
    assert finding["remedy"] == "move it into a new store, which counts anew: oakum store move"


def test_a_store_that_is_not_there_is_not_made(oakum, here):
    for words in (["check"], ["backup", "x.db"], ["compact"], ["move", "sqlite:///none.db", "sqlite:///x.db"]):
        said = oakum("store", *words)
        assert said.status == 2
        assert "there is no file" in said.err
    assert list(here.iterdir()) == []


def test_a_copy_is_named_with_its_size(oakum, bench, here):
    bench.plain(3)
    said = oakum("store", "backup", "copy.db")
    assert said.status == 0
    assert said.out.startswith("copy.db: ")
    assert said.out.endswith("checked and on the disk\n")
    again = oakum("store", "backup", "sqlite:///oakum.db", "copy.db")
    assert (again.status, again.err) == (2, "oakum: copy.db: it is there already; name a new file\n")
    other = json.loads(oakum("store", "backup", "other.db", "--format", "json").out)
    assert other == {"file": "other.db", "bytes": (here / "other.db").stat().st_size}


def test_room_that_is_given_back_is_told(oakum, bench):
    bench.plain(3)
    said = oakum("store", "compact")
    assert said.status == 0
    assert " before, " in said.out
    assert json.loads(oakum("store", "compact", "--format", "json").out).keys() == {"before", "after"}


def test_a_dry_run_moves_nothing(oakum, bench, here):
    bench.plain(3)
    said = oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db", "--dry-run")
    assert said.status == 0
    assert said.out == (
        f"would move 3 jobs (0 have ended, 3 B) and 0 schedules from sqlite:///{here}/oakum.db to sqlite:///{here}/new.db"
        " (dry run: nothing was touched)\n"
    )
    assert not (here / "new.db").exists()
    assert len(bench.plain(1)) == 1


def test_a_store_is_moved_and_says_where_it_went(oakum, bench, here):
    bench.plain(3)
    said = oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db")
    assert said.status == 0
    assert said.out.startswith(
        f"moved 3 jobs from sqlite:///{here}/oakum.db to sqlite:///{here}/new.db, 3 of them waiting"
    )
    assert "oakum store: jobs that wait: 3 of 3" in said.err
    assert oakum("jobs", "--store", "sqlite:///new.db").out.count("available") == 3
    check = oakum("store", "check")
    assert check.status == 1
    assert f"shut: moved to sqlite:///{here}/new.db; use that one" in check.out
    again = json.loads(oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db", "--format", "json").out)
    assert (again["jobs"], again["waiting"]) == (3, 3)


def test_whoever_interrupts_a_move_hears_that_the_store_stays_shut(oakum, bench, monkeypatch):
    def interrupted(self, jobs):
        raise KeyboardInterrupt

    bench.plain(3)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteMoving, "restore", interrupted)
        said = oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db")
    assert said.status == 130
    assert "oakum store: the store stays shut; the same command goes on, --undo opens it again" in said.err
    assert "being moved to" in oakum("status").out
    assert oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db").out.startswith("moved 3 jobs")


def test_an_unfinished_move_is_undone(oakum, bench):
    bench.plain(3)
    source, target = address("sqlite:///oakum.db"), address("sqlite:///new.db")
    bench.store.moving.shut(Notice("leaving", target))
    new = Place(SqliteStore("new.db"), target)
    new.store.moving.shut(Notice("arriving", source))
    said = oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db", "--undo")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"{source}: open again")
    assert len(bench.plain(1)) == 1
    new.store.close()
    refused = oakum("store", "move", "sqlite:///oakum.db", "sqlite:///new.db")
    assert refused.status == 2
    assert "before it was undone" in refused.err
