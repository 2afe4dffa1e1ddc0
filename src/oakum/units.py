"""Sizes and durations as people write them ("512MiB", "30s"), read into bytes and seconds and written back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from oakum.errors import UsageError

Size = int | str
Duration = int | float | str | timedelta

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

_SIZE_UNITS: Final = {
    "": 1, "b": 1,
    "k": KIB, "kb": 1000, "kib": KIB,
    "m": MIB, "mb": 1000**2, "mib": MIB,
    "g": GIB, "gb": 1000**3, "gib": GIB,
    "t": 1024**4, "tb": 1000**4, "tib": 1024**4,
}  # fmt: skip
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_SIZE = re.compile(r"\s*(\d{1,19}(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_LONGEST_SECONDS: Final = 100 * 365 * 86400.0  # a century: beyond it a duration is a typing error
_LARGEST_BYTES: Final = 1 << 60


def parse_size(value: Size, *, name: str = "size") -> int:
    """Bytes of `"512MiB"`, `"1.5G"`, `"200kB"` or a whole number of bytes.

    `K M G T` and `KiB MiB GiB TiB` are powers of 1024, `kB MB GB TB` of 1000; case does not matter.
    Raises UsageError, naming `name`, for anything else, for zero and for negative numbers.
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        unit = _SIZE_UNITS.get(match[2].lower(), 0) if match else 0
        number = round(float(match[1]) * unit) if match else 0
    else:
        number = value if type(value) is int else 0
    if not 0 < number <= _LARGEST_BYTES:
        raise UsageError(f"{name}: {value!r} is not a size; write it like '512MiB', '1.5GiB' or a number of bytes")
    return number


def parse_duration(value: Duration, *, name: str = "duration", zero: bool = False) -> float:
    """Seconds of `"30s"`, `"1h30m"`, `"250ms"`, a timedelta, or a plain number of seconds.

    `zero` admits 0. Raises UsageError, naming `name`, for anything else, for negative and for endless values.
    """
    seconds = _seconds(value)
    if seconds is None or not (0 <= seconds <= _LONGEST_SECONDS) or (seconds == 0 and not zero):
        raise UsageError(f"{name}: {value!r} is not a duration; write it like '30s', '5m', '1h30m' or '250ms'")
    return seconds


def _seconds(value: Duration) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    text = str(value).strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    total, end = 0.0, 0
    while end < len(text):
        match = _DURATION.match(text, end)
        if match is None:
            return None
        total += float(match[1]) * _DURATION_UNITS[match[2]]
        end = match.end()
    return total if text else None


def format_size(count: float) -> str:
    """`count` bytes with three digits and a binary unit: `"1.50 GiB"`, `"200 MiB"`, `"17 B"`."""
    sign, size = ("-", -count) if count < 0 else ("", count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 999.5 or unit == "TiB":
            break
        size /= 1024
    digits = 0 if unit == "B" or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{sign}{size:.{digits}f} {unit}"


def format_duration(seconds: float) -> str:
    """`seconds` as people read it: `"250 ms"`, `"1.15 s"`, `"4m 10s"`, `"3h 05m"`, `"12d 4h"`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 0.9995:
        digits = 0 if seconds == 0 or seconds >= 0.00995 else 1 if seconds >= 0.000995 else 2
        return f"{seconds * 1000:.{digits}f} ms"
    if seconds < 59.995:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"
