"""Sizes and durations: what is read, what is refused, and that reading and writing agree."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.errors import UsageError
from oakum.units import GIB, KIB, MIB, format_duration, format_size, parse_duration, parse_size

CENTURY = 100 * 365 * 86400


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512MiB", 512 * MIB),
        ("512M", 512 * MIB),
        ("512 mib", 512 * MIB),
        (" 1.5GiB ", 3 * GIB // 2),
        ("200kB", 200_000),
        ("200K", 200 * KIB),
        ("1TB", 10**12),
        ("4096", 4096),
        ("17b", 17),
        (4096, 4096),
        (1 << 60, 1 << 60),
    ],
)
def test_sizes_are_read_into_bytes(text: int | str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MiB",
        "-1MiB",
        "0",
        "0.0001B",
        "1,5G",
        "1.G",
        "1 000",
        "12 parsecs",
        "1e6",
        "٣MiB",
        "9" * 400,
        "2097152T",
        0,
        -1,
        True,
    ],
)
def test_what_is_no_size_is_refused_by_name(text: int | str) -> None:
    with pytest.raises(UsageError, match=r"^memory: .* is not a size; write it like '512MiB'"):
        parse_size(text, name="memory")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("250ms", 0.25),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("2W", 1_209_600),
        ("0.5", 0.5),
        (90, 90),
        (0.25, 0.25),
        (timedelta(minutes=2), 120),
    ],
)
def test_durations_are_read_into_seconds(text: str | float | timedelta, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "-5s", "5 minutes", "1h30", "30s!", "1e3", "nan", "inf", "9" * 400, "101w 5300w"),
        *(0, -1, True, float("nan"), float("inf"), timedelta(seconds=-1), CENTURY + 1),
    ],
)
def test_what_is_no_duration_is_refused_by_name(text: str | float | timedelta) -> None:
    with pytest.raises(UsageError, match=r"^timeout: .* is not a duration; write it like '30s'"):
        parse_duration(text, name="timeout")


def test_a_duration_of_nothing_has_to_be_admitted() -> None:
    assert parse_duration("0s", zero=True) == 0
    with pytest.raises(UsageError):
        parse_duration("0s")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (200 * MIB, "200 MiB"),
        (3 * GIB // 2, "1.50 GiB"),
        (-MIB, "-1.00 MiB"),
        (5000 * 1024 * GIB, "5000 TiB"),
    ],
)
def test_sizes_are_written_with_three_digits(count: int, text: str) -> None:
    assert format_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.000_6, "0.60 ms"),
        (0.25, "250 ms"),
        (1.15, "1.15 s"),
        (59.994, "60.0 s"),
        (59.996, "1m 00s"),
        (250, "4m 10s"),
        (11_100, "3h 05m"),
        (1_051_200, "12d 4h"),
        (-250, "-4m 10s"),
    ],
)
def test_durations_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 1 << 60))
def test_a_written_size_reads_back_to_three_digits(count: int) -> None:
    assert parse_size(format_size(count)) == pytest.approx(count, rel=0.006)


@given(st.floats(0.001, CENTURY))
def test_a_written_duration_reads_back_to_two_digits(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.05)


@given(st.integers(1, CENTURY * 1000))
def test_a_whole_number_of_milliseconds_reads_as_itself(milliseconds: int) -> None:
    assert parse_duration(f"{milliseconds}ms") == pytest.approx(milliseconds / 1000)


@given(st.text())
def test_any_text_is_read_or_refused_with_one_line(text: str) -> None:
    for parse in (parse_size, parse_duration):
        try:
            number = parse(text)
        except UsageError as refusal:
            assert "\n" not in str(refusal)
        else:
            assert number > 0
