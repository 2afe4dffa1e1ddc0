"""How large the next batch is and how long to wait before it: pure arithmetic over what the last one took."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final

from oakum.purge.target import Batch

_AIM: Final = 0.25  # of the longest lock allowed: a batch that meets a slow disk may take four times as long
_FORGET: Final = 0.25  # of what slower batches have taught, at each quicker one: it may have been a fluke
_PAUSE: Final = 0.02  # of the time that the last batch held its locks
# Seconds from one look to the next of a writer that SQLite keeps waiting: sqliteDefaultBusyCallback in its main.c.
_LOOKS: Final = (0.0, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.025, 0.025, 0.05, 0.05, 0.1)
_LOOKED: Final = tuple(accumulate(_LOOKS))
_FIRST_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 2.0


def learn_cost(known: float, batch: Batch) -> float:
    """Seconds of lock to expect for a row after `batch`, where `known` were expected before (0: nothing is known yet).

    A slower batch counts at once, a quicker one by a quarter.
    """
    if batch.rows == 0:
        return known
    cost = batch.locked / batch.rows
    return max(cost, known + _FORGET * (cost - known)) if known else cost


def next_size(asked: int, cost: float, max_lock: float, largest: int) -> int:
    """Rows of the batch after one of `asked` rows, where a row costs `cost` seconds of lock.

    It aims at 25 % of `max_lock`, changes by a factor of 4 down or 2 up, and stays in 1..`largest`.
    """
    if cost == 0:
        return min(asked, largest)
    fits = int(_AIM * max_lock / cost)
    return min(max(fits, asked // 4, 1), asked * 2, largest)


def pause_after(batch: Batch) -> float:
    """Seconds to leave to others after `batch`, less what they have had since it gave its locks back.

    A share of the time for which it held them. Who was shut out all that time must find the door open when he looks again:
    a pause shorter than his step from one look to the next would be a matter of luck.
    """
    step = _LOOKS[min(bisect_left(_LOOKED, batch.locked), len(_LOOKS) - 1)]
    return max(0.0, (step if batch.shuts_out else _PAUSE * batch.locked) - batch.free)


def retry_delay(tries: int) -> float:
    """Seconds to wait after the `tries`-th batch in a row that somebody else's lock undid."""
    return min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**tries)
