"""Files below a directory: what is old goes, and nothing outside is ever touched."""

from __future__ import annotations

import os
import time

import pytest

from oakum import purge
from oakum.errors import CannotRun, UsageError
from oakum.purge import Options
from oakum.purge.tree import walk as walking
from oakum.purge.tree.root import open_root, place

DAY = 86_400.0


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def put(path, days_old=100.0, text="x"):
    """Makes a file, and the directories above it, last changed so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    age(path, days_old)
    return path


def age(path, days_old):
    moment = time.time() - days_old * DAY
    os.utime(path, (moment, moment), follow_symlinks=False)


def tree(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def clean(root, **given):
    given.setdefault("older_than", "90d")
    given.setdefault("match", ["*.gz"])
    return purge.files(root, **given)


def test_old_files_of_the_pattern_go_and_the_others_stay(root):
    put(root / "a.gz")
    put(root / "new.gz", days_old=1)
    put(root / "a.txt")
    report = clean(root)
    assert (report.rows, report.ended) == (1, "done")
    assert tree(root) == ["a.txt", "new.gz"]
    assert report.freed >= 512


def test_directories_that_are_left_empty_go_too_however_deep(root):
    put(root / "2024" / "01" / "02" / "a.gz")
    put(root / "2025" / "a.gz")
    put(root / "2025" / "b.gz", days_old=1)
    assert clean(root).rows == 5  # two files, three directories
    assert tree(root) == ["2025", "2025/b.gz"]


def test_an_empty_directory_goes_when_it_is_old_and_stays_when_somebody_just_made_it(root):
    (root / "old").mkdir()
    age(root / "old", 100)
    (root / "new").mkdir()
    clean(root)
    assert tree(root) == ["new"]


def test_without_an_age_only_directories_that_it_emptied_itself_go(root):
    put(root / "full" / "a.gz")
    (root / "old").mkdir()
    age(root / "old", 100)
    assert clean(root, older_than=None).rows == 2
    assert tree(root) == ["old"]


def test_the_directory_itself_stays(root):
    put(root / "a.gz")
    age(root, 100)
    clean(root)
    assert root.is_dir()


@pytest.mark.parametrize("given", [{}, {"match": []}, {"older_than": None}, {"match": ["*.gz", "*.txt"]}])
def test_a_dry_run_is_exact_and_touches_nothing(root, given):
    for name in ("a.gz", "d/b.gz", "d/e/c.gz", "f/g.txt", "f/h.gz"):
        put(root / name)
    (root / "gone").mkdir()
    age(root / "gone", 100)
    before = tree(root)
    would = clean(root, options=Options(dry_run=True), **given).would
    assert tree(root) == before
    assert would > 0
    assert clean(root, **given).rows == would == len(before) - len(tree(root))


@pytest.mark.parametrize("match", [[], ["*"], ["*.gz", "**"]])
def test_neither_age_nor_pattern_that_leaves_something_out_asks_for_all(root, match):
    put(root / "a.gz")
    with pytest.raises(UsageError, match="say --all"):
        purge.files(root, match=match)
    assert tree(root) == ["a.gz"]
    assert purge.files(root, options=Options(all=True)).rows == 1


@pytest.mark.parametrize("name", ["new\nline.gz", "-rf.gz", " .gz", "a;rm *.gz", "\x1b[31m.gz", "caf\udce9.gz", "ü.gz"])
def test_odd_names_are_only_names(root, name):
    put(root / name)
    put(root / "line.gz", days_old=1)
    assert clean(root).rows == 1
    assert tree(root) == ["line.gz"]


def test_links_are_neither_followed_nor_removed(root, tmp_path):
    outside = put(tmp_path / "outside" / "precious.gz")
    (root / "to_file.gz").symlink_to(outside)
    (root / "to_directory").symlink_to(outside.parent)
    (root / "dangling.gz").symlink_to(root / "nothing")
    for name in ("to_file.gz", "to_directory", "dangling.gz"):
        age(root / name, 100)
    assert clean(root).rows == 0
    assert outside.exists()
    assert tree(root) == ["dangling.gz", "to_directory", "to_file.gz"]


def test_pipes_and_sockets_stay(root):
    os.mkfifo(root / "pipe.gz")
    age(root / "pipe.gz", 100)
    assert clean(root).rows == 0


@pytest.mark.parametrize("victim", ["inner", "inner/deep"])
def test_a_directory_swapped_for_a_link_between_look_and_step_is_not_entered(root, tmp_path, monkeypatch, victim):
    outside = put(tmp_path / "outside" / "precious.gz")
    put(root / victim / "a.gz")
    swapped = []
    really = walking.open_below

    def swap_then_open(parent, name):
        if name == victim.split("/")[-1] and not swapped:
            swapped.append(name)
            (root / victim).rename(tmp_path / "aside")
            (root / victim).symlink_to(outside.parent)
        return really(parent, name)

    monkeypatch.setattr(walking, "open_below", swap_then_open)
    clean(root)
    assert swapped
    assert outside.exists()
    assert (tmp_path / "aside" / "a.gz").exists()


def test_a_file_swapped_for_a_link_between_look_and_removal_costs_the_link_only(root, tmp_path, monkeypatch):
    outside = put(tmp_path / "outside" / "precious.gz")
    put(root / "a.gz")
    really = os.unlink

    def swap_then_unlink(name, *, dir_fd):
        really(name, dir_fd=dir_fd)
        os.symlink(outside, name, dir_fd=dir_fd)
        really(name, dir_fd=dir_fd)

    monkeypatch.setattr("oakum.purge.tree.files.os.unlink", swap_then_unlink)
    assert clean(root).rows == 1
    assert outside.exists()


def test_a_directory_moved_away_while_it_is_walked_does_not_lead_outside(root, tmp_path):
    put(root / "inner" / "a.gz")
    put(root / "inner" / "b.gz")
    outside = put(tmp_path / "outside" / "precious.gz")
    moved = []

    def move(_):
        if not moved and len(os.listdir(root / "inner")) == 1:
            (root / "inner").rename(outside.parent / "inner")
            moved.append(True)

    clean(root, options=Options(progress=move, largest_batch=1))
    assert moved
    assert tree(tmp_path) == ["outside", "outside/inner", "outside/precious.gz", "root"]


def test_a_root_reached_through_a_link_is_refused_with_the_path_to_write(root, tmp_path):
    put(root / "a.gz")
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "way").symlink_to(tmp_path)
    for path in (tmp_path / "link", tmp_path / "way" / "root"):
        with pytest.raises(UsageError, match=f"leads through a link; write {root}"):
            clean(path)
    assert tree(root) == ["a.gz"]


@pytest.mark.parametrize(("path", "error"), [("none", CannotRun), ("file", UsageError), ("a\0b", CannotRun)])
def test_a_root_that_is_none_is_refused(tmp_path, path, error):
    (tmp_path / "file").write_text("")
    with pytest.raises(error):
        clean(tmp_path / path)


def test_a_path_relative_to_here_will_do(root, monkeypatch):
    put(root / "a.gz")
    monkeypatch.chdir(root.parent)
    assert clean("./root//").rows == 1


def test_the_kernel_tells_one_mount_from_another(root):
    (root / "inner").mkdir()
    fds = [open_root(path) for path in (root, root / "inner", "/proc")]
    here, inner, elsewhere = [place(fd) for fd in fds]
    for fd in fds:
        os.close(fd)
    assert here == inner
    assert here.device != elsewhere.device
    assert here.mount != elsewhere.mount


def test_another_mount_is_not_entered(root, monkeypatch):
    put(root / "mounted" / "a.gz")
    put(root / "here" / "b.gz")
    really = walking.place

    def elsewhere(fd):
        found = really(fd)
        return found._replace(mount=-1) if os.readlink(f"/proc/self/fd/{fd}").endswith("/mounted") else found

    monkeypatch.setattr(walking, "place", elsewhere)
    said = []
    report = clean(root, options=Options(note=said.append))
    assert tree(root) == ["mounted", "mounted/a.gz"]
    assert report.skipped == 1
    assert said == ["left alone: 'mounted': on another file system or mount"]


def test_a_tree_too_deep_is_left_alone_and_said(root, monkeypatch):
    monkeypatch.setattr(walking, "_DEEPEST", 3)
    put(root / "1" / "2" / "3" / "4" / "a.gz")
    put(root / "1" / "2" / "b.gz")
    report = clean(root)
    assert report.skipped == 1
    assert (root / "1" / "2" / "3" / "4" / "a.gz").exists()
    assert not (root / "1" / "2" / "b.gz").exists()


def test_no_descriptor_is_left_open(root):
    for number in range(20):
        put(root / str(number) / "inner" / "a.gz")
    before = len(os.listdir("/proc/self/fd"))
    clean(root, options=Options(max_rows=7))
    clean(root)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_somebody_else_removes_first_is_no_error(root, monkeypatch):
    put(root / "d" / "a.gz")
    really = os.unlink

    def too_late(name, *, dir_fd):
        really(name, dir_fd=dir_fd)
        really(name, dir_fd=dir_fd)

    monkeypatch.setattr("oakum.purge.tree.files.os.unlink", too_late)
    report = clean(root)
    assert (report.ended, report.skipped) == ("done", 0)


def test_what_may_not_be_removed_is_left_said_and_counted(root, monkeypatch):
    put(root / "a.gz")
    put(root / "b.gz")
    really = os.unlink

    def refuse(name, *, dir_fd):
        if name == "a.gz":
            raise PermissionError(1, "Operation not permitted")
        really(name, dir_fd=dir_fd)

    monkeypatch.setattr("oakum.purge.tree.files.os.unlink", refuse)
    said = []
    report = clean(root, options=Options(note=said.append))
    assert (report.rows, report.skipped) == (1, 1)
    assert said == ["left alone: 'a.gz': Operation not permitted"]


def test_a_hard_link_frees_nothing_and_its_other_name_stays(root, tmp_path):
    other = put(tmp_path / "other", text="x" * 10_000)
    os.link(other, root / "a.gz")
    age(root / "a.gz", 100)
    report = clean(root)
    assert (report.rows, report.freed) == (1, 0)
    assert other.read_text() == "x" * 10_000
