"""Cells, names and text as the listings show them."""

from __future__ import annotations

import pytest

from oakum.cli import show
from oakum.model.job import State


@pytest.mark.parametrize(
    ("count", "cell"), [(None, "-"), (0, "0B"), (17, "17B"), (12_900_000, "12.3M"), (1 << 30, "1.00G"), (1023, "1.00K")]
)
def test_sizes_take_five_places(count, cell):
    assert show.size(count) == cell


@pytest.mark.parametrize(("us", "cell"), [(None, "-"), (0, "0ms"), (12_000, "12ms"), (1_150_000, "1.15s")])
def test_times_take_six_places(us, cell):
    assert show.micros(us) == cell


@pytest.mark.parametrize(
    ("ms", "cell"), [(-5, "0s"), (0, "0s"), (59_999, "59s"), (61_000, "1m01s"), (9 * 10**7, "1d1h")]
)
def test_ages_are_whole_seconds(ms, cell):
    assert show.age(ms) == cell


def test_of_a_long_name_the_end_is_kept():
    assert show.tail("shop.tasks.resize", 17) == "shop.tasks.resize"
    assert show.tail("shop.tasks.resize", 10) == "…ks.resize"


def test_text_from_a_job_cannot_steer_the_terminal():
    assert show.clean("\x1b[2J red\r\x07\x9b1m\tfine\n") == "�[2J red���1m\tfine\n"


def test_every_state_has_its_colour():
    assert set(show.STATE_STYLES) == {state.label for state in State}


@pytest.mark.parametrize(("count", "words"), [(0, "0 jobs"), (1, "1 job"), (12_345, "12,345 jobs")])
def test_so_many_jobs(count, words):
    assert show.jobs(count) == words
