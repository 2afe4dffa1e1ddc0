"""How large the next batch is and how long to wait before it: pure arithmetic over what the last one took."""

from __future__ import annotations

from typing import Final

_AIM: Final = 0.25  # of the longest lock allowed: a batch that meets a slow disk may take four times as long
_PAUSE: Final = 0.02  # of the time that the last batch held its locks
_PAUSE_SHUT_OUT: Final = (
    0.25  # those who were shut out look again only now and then: leave them time to find the door open
)
_FIRST_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 2.0


def next_size(asked: int, rows: int, locked: float, max_lock: float, largest: int) -> int:
    """Rows of the batch after one that was asked for `asked` rows and deleted `rows` of them in `locked` seconds.

    It aims at 25 % of `max_lock` at the measured rate, changes by a factor of 4 down or 2 up, and stays in 1..`largest`.
    """
    if rows == 0 or locked <= 0:
        return min(asked, largest)
    fits = int(rows * _AIM * max_lock / locked)
    return min(max(fits, asked // 4, 1), asked * 2, largest)


def pause_after(locked: float, shuts_out: bool) -> float:
    """Seconds to leave to others after locks were held for `locked` seconds; `shuts_out`: every writer had to wait."""
    return (_PAUSE_SHUT_OUT if shuts_out else _PAUSE) * locked


def retry_delay(tries: int) -> float:
    """Seconds to wait after the `tries`-th batch in a row that somebody else's lock undid."""
    return min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**tries)
