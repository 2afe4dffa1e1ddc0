"""The demo, in small: every troublemaker meets its end, the room holds, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LIMIT_S = 110


@pytest.mark.slow
def test_the_demo_keeps_its_promises(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "160"}
    command = [sys.executable, "-m", "oakum", "demo", "--files", "40"]
    demo = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Every promise was kept." in demo.stdout
    for line in ("hoard ", "leak ", "hang ", "vanish ", "stumble ", "refresh "):
        assert line in demo.stdout
    assert "by ring 1, in work.py:" in demo.stdout
    assert "quarantined" in demo.stdout
    assert os.listdir(tmp_path) == []  # nothing of it is left


def test_a_wrong_number_of_files_is_refused_in_one_line():
    command = [sys.executable, "-m", "oakum", "demo", "--files", "0"]
    demo = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert demo.returncode == 2
    assert demo.stderr == "oakum: --files: 0 is not a number of files; give at least 1\n"
