"""The reference says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GENERATE = Path(__file__).parents[2] / "docs" / "reference" / "generate.py"


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(GENERATE), "--check"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
