"""The example of the clean-up job: the naive one ends over its budget with its line named, the purge does the work."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "cleanup"


def test_the_naive_job_is_stopped_and_named_and_the_purge_does_its_work():
    environment = os.environ | {"CLEANUP_MEMORY": "50MiB"}
    command = [sys.executable, "replay.py", "80000"]
    told = subprocess.run(
        command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    naive, purge = re.split(r"\njobs\.clean(?:_naively)?\n", told.stdout)[1:]
    line = 1 + (EXAMPLE / "jobs.py").read_text().splitlines().index("    deleted, _ = expired().delete()")
    assert "OverBudget" in naive
    assert f"jobs.py:{line} in clean_naively" in naive
    assert "80,000 old sessions are left" in naive
    assert "deleted 80,000 sessions" in purge
    assert "0 old sessions are left" in purge
