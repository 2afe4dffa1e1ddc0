"""`oakum watch show` and `oakum watch notify` on an archive, as people call them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from bench.watch_hosts import Host, Trouble, ps_block

OAKUM = [sys.executable, "-m", "oakum", "watch"]


def oakum(*words):
    return subprocess.run([*OAKUM, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Thirty hours of a small host on which a cron job hangs now and then."""
    directory = tmp_path_factory.mktemp("watch")
    host = Host(3, hours=30, size=20, trouble=Trouble(hung_crons=1))
    with open(directory / "ps.log", "w", encoding="utf-8") as log:
        for number, (now_s, processes) in enumerate(host.ticks()):
            if number % 5 == 0:
                log.write(ps_block(now_s, processes))
    taken = oakum("import", str(directory / "ps.log"), "--archive", str(directory / "archive"))
    assert taken.returncode == 0, taken.stderr
    return str(directory / "archive")


def test_text_names_the_job_that_hangs(archive):
    shown = oakum("show", "--archive", archive)
    assert shown.returncode == 0
    assert "warning OAK102 processes-accumulate" in shown.stdout
    assert "processes of `python manage.py crontab run *` were started in" in shown.stdout
    assert not any(line.endswith(" ") for line in shown.stdout.splitlines())


def test_json_and_html_go_where_they_are_told(archive, tmp_path):
    assert oakum("show", "--archive", archive, "--format", "json", "--output", str(tmp_path / "r.json")).stdout == ""
    assert "OAK102" in {finding["code"] for finding in json.loads((tmp_path / "r.json").read_text())["findings"]}
    assert oakum("show", "--archive", archive, "--format", "html").stdout.startswith("<!doctype html>")


def test_damage_is_told_and_the_rest_is_shown(archive, tmp_path):
    hurt = tmp_path / "archive"
    shutil.copytree(archive, hurt)
    first, last = sorted(hurt.glob("raw-*.oak"))
    os.truncate(last, last.stat().st_size - 1)
    shown = oakum("show", "--archive", str(hurt))
    assert shown.stdout.startswith("2025-12-21 11:15 to 2025-12-22 12:05 UTC")  # the last block began then
    assert re.search(rf"note: {last}: \d+ bytes are damaged and were passed over", shown.stdout)
    os.truncate(first, 100)
    os.truncate(last, 100)
    nothing = oakum("show", "--archive", str(hurt))
    assert (nothing.returncode, nothing.stdout) == (3, "")
    assert f"{hurt}: nothing in it can be read: {last}: " in nothing.stderr


def test_runs_are_known_that_ended_after_the_newest_sample(archive, tmp_path):
    own = tmp_path / "archive"
    shutil.copytree(archive, own)
    subprocess.run(
        [sys.executable, "-m", "oakum", "run", "--archive", str(own), "--", "false"], check=False, timeout=60
    )
    assert re.search(r"RUN BY oakum run .*\nfalse +1 +0 +1 ", oakum("show", "--archive", str(own)).stdout)
    assert "RUN BY" not in oakum("show", "--archive", str(own), "--until", "2025-12-23").stdout


def test_fail_on_sets_the_exit_status(archive):
    assert oakum("show", "--archive", archive, "--fail-on", "warning").returncode == 1
    assert oakum("show", "--archive", archive, "--fail-on", "error").returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["show", "--since", "soon"], 2, "--since: 'soon' is no moment"),
        (["show", "--top", "0"], 2, "--top: 0 is less than one line"),
        (["show", "--output", "/nowhere/at/all"], 3, "--output: /nowhere/at/all: No such file"),
        (["show", "--since", "1970-01-02", "--until", "1970-01-03"], 3, "nothing was recorded between"),
        (["notify"], 2, "oakum: watch notify: whom?"),
        (["notify", "root"], 2, "--notify: 'root'"),
        (["notify", "cmd:false", "--quiet", "late"], 2, "--quiet: 'late' is no time of the day"),
    ],
)
def test_wrong_use_is_one_line(archive, words, status, line):
    wrong = oakum(*words, "--archive", archive)
    assert (wrong.returncode, wrong.stdout) == (status, "")
    assert line in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_news_is_told_once(archive, tmp_path):
    target = f"cmd:tee {tmp_path}/told"
    assert "told" in oakum("notify", target, "--archive", archive).stderr
    assert json.loads((tmp_path / "told").read_text())["findings"]
    (tmp_path / "told").unlink()
    assert oakum("notify", target, "--archive", archive).stderr == ""
    assert not (tmp_path / "told").exists()


def test_what_did_not_arrive_is_told_again(archive, tmp_path):
    target = f"cmd:cp /dev/stdin {tmp_path}/there/told"
    assert oakum("notify", target, "--archive", archive).returncode == 3
    (tmp_path / "there").mkdir()
    assert oakum("notify", target, "--archive", archive).returncode == 0
    assert (tmp_path / "there" / "told").exists()


def test_the_unit_is_printed_and_nothing_is_changed():
    unit = oakum("--install", "--every", "30s")
    assert "ExecStart=" in unit.stdout
    assert "--every 30s" in unit.stdout
    assert "systemctl enable --now oakum-watch" in unit.stderr


@pytest.mark.parametrize("words", [("--every", "soon"), ("--notify", "root"), ("--quiet", "late")])
def test_no_unit_is_printed_that_could_not_start(words):
    wrong = oakum("--install", *words)
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert words[0] in wrong.stderr
