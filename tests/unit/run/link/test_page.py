"""The page that a child shares with its supervisor: each side sees what the other wrote, and nothing of another job's."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from oakum.run.link.page import CANCEL, TIMEOUT, Page


@pytest.fixture
def pages() -> Iterator[tuple[Page, Page]]:
    """One page, mapped by a child and by its supervisor."""
    ours = Page.make()
    theirs = Page(os.dup(ours.fd))
    yield theirs, ours
    ours.close()
    theirs.close()


def test_a_job_runs_from_its_start_to_its_finish(pages: tuple[Page, Page]) -> None:
    child, supervisor = pages
    assert supervisor.running() is None
    assert supervisor.started() == 0
    child.start(3, 1_000, 5 << 20)
    assert supervisor.running() == (3, 1_000)
    assert supervisor.resting == 5 << 20
    child.finish(3)
    assert supervisor.running() is None
    assert supervisor.started() == 3


def test_an_interrupt_is_for_one_job_and_says_why(pages: tuple[Page, Page]) -> None:
    child, supervisor = pages
    supervisor.interrupt(3, CANCEL)
    assert [child.wanted(number) for number in (2, 3, 4)] == [0, CANCEL, 0]
    supervisor.interrupt(4, TIMEOUT)
    assert [child.wanted(number) for number in (2, 3, 4)] == [0, 0, TIMEOUT]
