"""The lock files: they agree with pyproject.toml, every line is hashed, and no package index is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN = [*DECLARED["build-system"]["requires"], *DECLARED["project"]["dependencies"]]
EXTRAS = [line for lines in DECLARED["project"]["optional-dependencies"].values() for line in lines]
DEV = [*RUN, *EXTRAS, *DECLARED["dependency-groups"]["dev"]]


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lock", "line"), [*(("run", line) for line in RUN), *(("dev", line) for line in DEV)], ids=lambda value: value
)
def test_what_is_declared_is_locked_at_a_version_that_fits(lock: str, line: str) -> None:
    wanted = Requirement(line)
    locked = pins(lock).get(canonicalize_name(wanted.name))
    assert locked is not None, f"{line} is not locked: run script/lock"
    assert wanted.specifier.contains(locked), f"{line} is locked at {locked}: run script/lock"


def test_both_locks_install_the_same_versions() -> None:
    assert pins("run").items() <= pins("dev").items()


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_a_lock_holds_hashed_versions_and_nothing_else(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines()
    pinned = [line for line in lines if re.fullmatch(r"[a-z0-9-]+==\S+ \\", line)]
    hashes = [line for line in lines if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)]
    comments = [line for line in lines if line.startswith("#")]
    assert len(pinned) == len(pins(lock))
    assert len(pinned) + len(hashes) + len(comments) == len(lines)
