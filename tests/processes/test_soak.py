"""The long trials, for a moment each: that they run, and what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def soak(name: str, *words: str) -> str:
    program = [sys.executable, str(ROOT / "bench" / "soak" / f"{name}.py"), *words]
    done = subprocess.run(
        program,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_siege_of_one_round() -> None:
    said = soak("kill", "--minutes", "0", "--jobs", "1500", "--seed", "3")
    assert re.fullmatch(r"seed 3: 1,500 jobs, 36 kills, \d+ starts cut short, 0 faults\n", said)


@pytest.mark.slow
def test_a_supervisor_is_looked_at_as_it_goes() -> None:
    said = soak("flat", "--few", "500", "--many", "2000", "--step", "2000").splitlines()
    assert [line.split(":")[0].strip() for line in said[:-1]] == [
        "500 jobs",
        "2,000 waiting",
        "2,500 jobs",
        "4,500 jobs",
    ]
    assert said[-1].startswith("growth: ")
