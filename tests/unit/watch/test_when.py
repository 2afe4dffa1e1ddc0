"""Moments as people write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from oakum.errors import UsageError
from oakum.watch.when import parse_when


def test_how_long_ago_counts_from_the_newest_sample() -> None:
    assert parse_when("2h", 10_000.0, name="--since") == 10_000.0 - 7200


@pytest.mark.parametrize("text", ["2025-12-21", "2025-12-21 11:15", "2025-12-21T11:15:30"])
def test_a_date_is_local_time(text: str) -> None:
    assert parse_when(text, 0.0, name="--since") == datetime.fromisoformat(text).astimezone().timestamp()


def test_a_date_may_name_its_zone() -> None:
    assert parse_when("2025-12-21T11:15:00+00:00", 0.0, name="--since") == 1_766_315_700.0


def test_anything_else_is_told_how_to_be_written() -> None:
    with pytest.raises(UsageError, match="--until: 'yesterday' is no moment"):
        parse_when("yesterday", 0.0, name="--until")
