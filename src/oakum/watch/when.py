"""Reads a moment as people give it: how long ago, or a date with or without a time."""

from __future__ import annotations

from datetime import datetime

from oakum.errors import UsageError
from oakum.units import parse_duration


def parse_when(text: str, newest_s: float, *, name: str) -> float:
    """Seconds since 1970 of `"2h"` (before `newest_s`) or `"2025-12-21 11:15"` (local time). Raises UsageError."""
    try:
        return newest_s - parse_duration(text, name=name)
    except UsageError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise UsageError(f"{name}: {text!r} is no moment; write it like '2h' (ago) or '2025-12-21 11:15'") from error
