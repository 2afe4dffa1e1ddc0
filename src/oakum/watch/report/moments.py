"""Times as a report writes them. UTC throughout: a report is read elsewhere than where it was made."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """`"2025-12-21 11:15"` of seconds since 1970."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def stretch(hours: float) -> str:
    """`"48 h"`, `"12 days"`: the length of a record."""
    if hours < 2:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 96 else f"{hours / 24:.0f} days"
