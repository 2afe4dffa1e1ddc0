"""A worker that starts before its store is there: it waits, and says what for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from oakum.errors import CannotRun, StoreAway
from oakum.units import format_duration

FIRST_S: Final = 0.5
LONGEST_S: Final = 10.0
PATIENCE_S: Final = 300.0


def await_store(act: Callable[[], object], rest: Callable[[float], bool], say: Callable[[str], None]) -> bool:
    """Does `act` as soon as the store answers; false when `rest`, which waits so many seconds, says not to go on.

    It is tried again after ever longer pauses, up to LONGEST_S. What is amiss is said once. Raises CannotRun when it has
    rested for PATIENCE_S: whoever runs the worker is to know.
    """
    said, rested, pause = "", 0.0, FIRST_S
    while True:
        try:
            act()
            return True
        except StoreAway as error:
            if rested >= PATIENCE_S:
                raise CannotRun(f"no answer from the store for {format_duration(PATIENCE_S)}: {error}") from error
            if str(error) != said:
                said = str(error)
                say(f"oakum worker: waits for its store: {said}")
        if not rest(pause):
            return False
        rested, pause = rested + pause, min(LONGEST_S, 2 * pause)
