"""What the documentation shows does run: each page in a process and a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READER = Path(__file__).with_name("read_page.py")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read(page: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = [sys.executable, "-W", "error", str(READER), str(page)]
    return subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=100, cwd=directory, env={**os.environ, "PATH": path}
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_runs(page: Path, tmp_path: Path) -> None:
    done = read(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("block", "trouble"),
    [
        ("```python\nassert len('seam') == 5\n```\n", 'page.md", line 3'),
        ("```sh run\npython -c 'raise SystemExit(7)'\n```\n", "exit status 7"),
        ("```sh run\npython -c 'raise SystemExit(7)' &\n```\n", "CalledProcessError"),
        ("```python\n# seam.py\nlen(0)\n```\n```python\nimport seam\n```\n", 'seam.py", line 2'),
    ],
)
def test_a_page_that_is_wrong_is_told_so(block: str, trouble: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(f"A page.\n{block}")
    done = read(tmp_path / "page.md", tmp_path)
    assert done.returncode == 1
    assert trouble in done.stderr
