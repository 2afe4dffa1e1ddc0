"""A schedule that outruns its real worker, at ten times the tempo: a tick every 100 ms, 115 ms of work, one slot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.processes.workers import PATIENCE_S, ROOT, Workshop

from oakum.model.job import UNFINISHED
from oakum.model.schedule.spec import decode_course
from oakum.run.ticker import find

SOURCE = """
@app.task(result_ttl="1s")
def refresh(screen: int) -> None:
    with open(os.path.join(HERE, "takes")) as file:
        time.sleep(float(file.read()))

app.schedule("refresh", every("100ms"), refresh.job(1070), overlap="queue_one"{more})
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Callable[[str], Workshop]]:
    made: list[Workshop] = []

    def make(more: str = "") -> Workshop:
        takes(tmp_path, 0.115)
        made.append(Workshop(tmp_path, SOURCE.format(more=more)))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


def takes(path: Path, seconds: float) -> None:
    """How long a run takes from now on. Whoever reads sees the old or the new, and never half of it."""
    (path / "new").write_text(f"{seconds}")
    (path / "new").replace(path / "takes")


def ask(shop: Workshop, *words: str) -> Any:
    """What a command says of the application, as JSON."""
    command = [sys.executable, "-m", "oakum", *words, "--app", "shop:app", "--format", "json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        command, cwd=shop.path, env=environment, check=True, capture_output=True, timeout=PATIENCE_S
    )
    return json.loads(answer.stdout)


def fired(shop: Workshop) -> int:
    row = find(shop.app.store, "refresh")
    return 0 if row is None else decode_course(row.state).fired


def kept(shop: Workshop) -> tuple[int, int]:
    """Jobs that have not ended, and those that have and are still kept."""
    counts = shop.app.store.counts()
    unfinished = sum(count.jobs for count in counts if count.state in UNFINISHED)
    return unfinished, sum(count.jobs for count in counts) - unfinished


@pytest.mark.slow  # samples are five seconds apart
def test_the_smallest_safe_interval_is_told_and_nothing_piles_up(workshop) -> None:
    shop = workshop()
    worker = shop.worker("--slots", "1")
    seen: list[tuple[int, int]] = []

    def is_right() -> bool:
        seen.append(kept(shop))
        intervals = ask(shop, "capacity")["intervals"]
        # Exact in the simulation; here at most 0.125 where nothing else runs, and a busy machine takes longer for a run.
        return any(row["verdict"] == "too short" and 0.115 <= row["safe_s"] <= 0.15 for row in intervals)

    shop.until(is_right)
    warning = "schedule refresh: ticks every 100 ms, but every 1"
    shop.until(lambda: warning in shop.said())
    shop.until(lambda: seen.append(kept(shop)) or fired(shop) > 150)
    assert max(unfinished for unfinished, _ in seen) <= 2, "one runs and one waits"
    assert seen[-1][1] < 100, "what has ended does not stay"
    worker.terminate()
    worker.wait(PATIENCE_S)
    before = len(shop.said())
    shop.worker("--slots", "1")
    shop.until(lambda: warning in shop.said()[before:])


@pytest.mark.slow
def test_an_interval_that_adapts_is_stretched_and_comes_back(workshop) -> None:
    shop = workshop(", adapt=True")
    shop.worker("--slots", "1")
    shop.until(lambda: "schedule refresh: stretched from 100 ms to 1" in shop.said())
    takes(shop.path, 0.01)

    def is_back() -> Any:
        (row,) = ask(shop, "schedule", "show", "refresh")
        return row if row["stretched_s"] is None else None

    row = shop.until(is_back)
    assert (row["interval_s"], row["safe_s"] <= 0.1, row["warning"]) == (0.1, True, "")
