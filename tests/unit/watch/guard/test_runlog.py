"""The log of runs: joined, bounded, and read past what is torn."""

from __future__ import annotations

import os

import pytest

from oakum.watch.guard.outcome import Outcome, Reason
from oakum.watch.guard.runlog import Run, RunLog


def run(number, **more):
    return Run(run=f"{number}-1", at=float(number), command=["poll", "--all"], **more)


@pytest.fixture
def log(tmp_path):
    return RunLog(str(tmp_path / "archive"))


def test_nothing_was_run_yet(log):
    assert log.read() == []


def test_a_run_is_joined_with_its_end(log):
    first, second = run(1, lock="poll", timeout=60.0), run(2)
    log.append(first)
    log.append(second)
    log.append(first.ended(Outcome(Reason.TIMED_OUT, 143, 60.12345, 1.5, 1000, left_behind=1)))
    ended, running = log.read()
    assert (ended.reason, ended.status, ended.seconds, ended.peak_bytes) == (Reason.TIMED_OUT, 124, 60.123, 1000)
    assert (ended.lock, ended.timeout, ended.left_behind) == ("poll", 60.0, 1)
    assert running == second
    assert running.reason is None


def test_torn_and_strange_lines_cost_nothing_else(log, tmp_path):
    log.append(run(1))
    with open(tmp_path / "archive" / "runs.jsonl", "ab") as file:
        file.write(b'{"run": "x"}\n{"at": "soon"}\nnonsense\n\xff\xfe\n{"run": "9-9", "at": 9.0, "com\n')
    log.append(run(2))
    assert [each.at for each in log.read()] == [1.0, 2.0]


def test_two_files_of_a_bounded_size_are_kept(log, tmp_path):
    words = ["x" * 500] * 100
    for number in range(400):
        log.append(Run(run=f"{number}-1", at=float(number), command=words))
    directory = tmp_path / "archive"
    assert sorted(os.listdir(directory)) == ["runs.jsonl", "runs.jsonl.1", "runs.jsonl.lock"]
    assert sum(os.path.getsize(directory / name) for name in os.listdir(directory)) < 2.2 * 1024**2
    kept = log.read()
    assert kept[-1].at == 399.0
    assert len(kept) > 90
    assert len(kept[-1].command) == 50
    assert len(kept[-1].command[0]) == 200
