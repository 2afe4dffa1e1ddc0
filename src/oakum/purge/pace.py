"""How large the next batch is and how long to wait before it: pure arithmetic over what the last one took."""

from __future__ import annotations

from typing import Final

from oakum.purge.target import Batch

_AIM: Final = 0.25  # of the longest lock allowed: a batch that meets a slow disk may take four times as long
_FORGET: Final = 0.25  # of what slower batches have taught, at each quicker one: it may have been a fluke
_PAUSE: Final = 0.02  # of the time that the last batch held its locks
_PAUSE_SHUT_OUT: Final = 0.25  # who was shut out looks again only now and then: leave time to find the door open
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
    """Seconds to leave to others after `batch`: a share of the time for which it held its locks, less what they had since."""
    return max(0.0, (_PAUSE_SHUT_OUT if batch.shuts_out else _PAUSE) * batch.locked - batch.free)


def retry_delay(tries: int) -> float:
    """Seconds to wait after the `tries`-th batch in a row that somebody else's lock undid."""
    return min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**tries)
