"""A moment in the form in which a column writes its times."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from oakum.errors import UsageError
from oakum.purge.sql.age import cutoff

WALL = 1_767_225_600.5  # 2026-01-01 00:00:00.5 UTC


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)),
        (datetime(2020, 1, 1), datetime(2026, 1, 1, 0, 0, 0, 500_000)),
        (date(2020, 1, 1), date(2026, 1, 1)),
        (1_577_836_800, 1_767_225_600),
        (1_577_836_800_000, 1_767_225_600_500),
        (1_577_836_800_000_000, 1_767_225_600_500_000),
        (1_577_836_800_000_000_000, 1_767_225_600_500_000_000),
        (1_577_836_800.25, 1_767_225_600),
        (Decimal("1577836800"), 1_767_225_600),
        ("2020-01-01 10:00:00", "2026-01-01 00:00:00"),
        ("2020-01-01 10:00:00.123456", "2026-01-01 00:00:00"),
        ("2020-01-01T10:00:00Z", "2026-01-01T00:00:00"),
        ("2020-01-01T10:00:00+00:00", "2026-01-01T00:00:00"),
        ("2020-01-01", "2026-01-01"),
    ],
)
def test_the_moment_looks_like_the_sample(sample, expected):
    found = cutoff("created", sample, WALL)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("sample", [17, True, "yesterday", b"2020", 2_460_000.5])
def test_a_value_that_is_no_time_is_refused(sample):
    with pytest.raises(UsageError, match=r"column created holds .*: neither a time nor an epoch number"):
        cutoff("created", sample, WALL)


def test_texts_that_do_not_sort_by_time_are_refused():
    with pytest.raises(UsageError, match="don't sort by time"):
        cutoff("created", "2020-01-01T10:00:00+02:00", WALL)


def test_a_zone_of_a_real_datetime_is_no_trouble():
    sample = datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert cutoff("created", sample, WALL) == datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)
