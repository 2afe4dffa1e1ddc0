"""What "older than" means for a column: the moment written as that column writes its times."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from oakum.errors import UsageError

# An epoch in seconds, milliseconds, microseconds or nanoseconds is told by its size: between 1973 and 5138.
_EPOCH_UNITS: Final = ((1e8, 1e11, 1), (1e11, 1e14, 10**3), (1e14, 1e17, 10**6), (1e17, 1e20, 10**9))


def cutoff(column: str, sample: Any, wall: float) -> Any:
    """The moment `wall` (seconds since 1970, UTC) in the form of `sample`, a value of the column.

    Knows datetimes with and without a zone, dates, epoch numbers from seconds to nanoseconds and ISO 8601 texts. Times
    without a zone are taken as UTC. Raises UsageError for a value that is none of these.
    """
    moment = datetime.fromtimestamp(wall, UTC)
    if isinstance(sample, datetime):
        return moment if sample.tzinfo else moment.replace(tzinfo=None)
    if isinstance(sample, date):
        return moment.date()
    if isinstance(sample, (int, float, Decimal)) and not isinstance(sample, bool):
        for low, high, unit in _EPOCH_UNITS:
            if low <= sample < high:
                return int(wall * unit)
    if isinstance(sample, str):
        text = _like_text(column, sample, moment)
        if text is not None:
            return text
    raise UsageError(f"column {column} holds {sample!r}: neither a time nor an epoch number; use --where instead")


def _like_text(column: str, sample: str, moment: datetime) -> str | None:
    """The moment as an ISO 8601 text that sorts among texts like `sample`: without zone, to the second."""
    try:
        read = datetime.fromisoformat(sample)
    except ValueError:
        return None
    if read.utcoffset():
        raise UsageError(f"column {column} holds {sample!r}: texts with a zone other than UTC don't sort by time")
    if len(sample) == len("2024-01-01"):
        return moment.date().isoformat()
    return moment.replace(tzinfo=None).isoformat(sep=sample[10], timespec="seconds")
