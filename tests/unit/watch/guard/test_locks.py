"""Named locks: one holder, at most one who waits, and directories that are one's own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oakum.errors import CannotRun, UsageError
from oakum.watch.guard.locks import OnBusy, only_one


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "state" / "locks")


def test_the_second_one_skips_until_the_first_is_done(directory):
    with only_one(directory, "poll", OnBusy.SKIP, 1) as first:
        with only_one(directory, "poll", OnBusy.SKIP, 1) as second:
            assert (first, second) == (True, False)
        with only_one(directory, "mail", OnBusy.SKIP, 1) as other:
            assert other
    with only_one(directory, "poll", OnBusy.SKIP, 1) as again:
        assert again


def test_the_directory_and_the_lock_are_for_their_owner_alone(directory):
    with only_one(directory, "poll", OnBusy.SKIP, 1):
        assert os.stat(directory).st_mode & 0o777 == 0o700
        assert os.stat(f"{directory}/poll.lock").st_mode & 0o777 == 0o600


def test_a_directory_that_others_may_write_to_is_refused(directory):
    os.makedirs(directory, mode=0o755)
    with pytest.raises(CannotRun, match=r"locks need a directory of your own with mode 0700; run: chmod 700"):
        with only_one(directory, "poll", OnBusy.SKIP, 1):
            pass


@pytest.mark.parametrize("put", [Path.symlink_to, lambda path, _to: path.mkdir()], ids=["a link", "a directory"])
def test_what_stands_in_the_place_of_a_lock_is_told_and_left_alone(directory, tmp_path, put):
    precious = tmp_path / "precious"
    precious.write_text("keep")
    os.makedirs(directory, mode=0o700)
    put(Path(directory) / "poll.lock", precious)
    with pytest.raises(CannotRun, match="--lock poll: "):
        with only_one(directory, "poll", OnBusy.SKIP, 1):
            pass
    assert precious.read_text() == "keep"


def test_a_place_where_no_directory_can_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match=r"--lock poll: .*/file/locks: Not a directory"):
        with only_one(str(tmp_path / "file" / "locks"), "poll", OnBusy.SKIP, 1):
            pass


def test_a_full_disk_has_no_room_for_the_note_and_the_lock_is_held_all_the_same(directory, monkeypatch):
    asked = []

    def pwrite(fd, data, offset):
        asked.append(data)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with only_one(directory, "poll", OnBusy.SKIP, 1) as first:
        with only_one(directory, "poll", OnBusy.KILL_OLD, 1) as second:
            assert (first, second) == (True, False)
    assert len(asked) == 1


def test_errors_of_what_runs_under_the_lock_are_not_the_locks(directory):
    with pytest.raises(FileNotFoundError):
        with only_one(directory, "poll", OnBusy.SKIP, 1):
            raise FileNotFoundError(2, "it is gone", "data")


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b", "a b", "a\n", "x" * 101])
def test_a_name_is_a_file_name(directory, name):
    with pytest.raises(UsageError, match="--lock"):
        with only_one(directory, name, OnBusy.SKIP, 1):
            pass


@pytest.mark.parametrize("note", [b"", b"nonsense", b"1 0\n", b"2147483647 5\n"])
def test_a_note_that_names_nobody_who_holds_the_lock_makes_nobody_end(directory, note):
    """`1 0` names a living process that is certainly not the holder: its starting time differs."""
    with only_one(directory, "poll", OnBusy.SKIP, 1):
        with open(f"{directory}/poll.lock", "wb") as file:
            file.write(note)
        with only_one(directory, "poll", OnBusy.KILL_OLD, 1) as second:
            assert not second
