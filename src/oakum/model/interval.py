"""How fast a schedule may be: the smallest interval that the workers can keep up with, and the slots that one needs. Pure.

A queue does not grow for ever if less work arrives than the slots can do: `lambda * E[S] < c`, for any distribution of
arrivals and of service times (Kleinrock, "Queueing Systems" I, 1975, section 2.1; `lambda * E[S]` is the offered load in
erlangs). Close to it the wait grows as `1 / (1 - rho)` (Kingman, 1961), so what is called safe here leaves a twentieth of
the time free:

    T = E[S] / (0.95 (c - a))     with c slots and the offered load a of all other tasks on them, rounded up to three digits
    c = E[S] / (0.95 T) + a       rounded up
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from oakum.model.capacity import Pace

BUSIEST_SAFE: Final = 0.95  # of the slots' time


class Crew(Struct, frozen=True):
    """One living worker: its host, its slots and the queues that it takes from."""

    host: str
    slots: int
    queues: tuple[str, ...]


class Safe(Struct, frozen=True):
    """What is known of jobs of one task that come at an interval. Seconds; None where no interval is long enough.

    `interval_s` is the smallest safe one now, `one_host_less_s` the same without the host that has the most slots;
    `slots` are those there are, `mean_s` what a job takes of one.
    """

    interval_s: float | None
    one_host_less_s: float | None
    slots: int
    mean_s: float
    others: float

    def slots_needed(self, interval_s: float) -> int:
        """The fewest slots that keep up with one such job every `interval_s` beside the others, side by side if need be."""
        return math.ceil(self.mean_s / (BUSIEST_SAFE * interval_s) + self.others - 1e-9)


def safe_interval(queue: str, task: str, serial: bool, paces: Sequence[Pace], crews: Sequence[Crew]) -> Safe | None:
    """The smallest safe interval of one task in one queue, None as long as none of its jobs was measured.

    `serial`: no two of these jobs run side by side, so that a second slot does not make them any faster.
    """
    mean_s = next((pace.mean_s for pace in paces if pace.task == task and pace.mean_s is not None), None)
    if mean_s is None:
        return None
    serving = [crew for crew in crews if queue in crew.queues]
    shared = {name for crew in serving for name in crew.queues}
    others = sum(pace.offered for pace in paces if pace.queue in shared and (pace.queue, pace.task) != (queue, task))
    slots = sum(crew.slots for crew in serving)
    left = slots - _largest_host(serving)
    return Safe(
        _interval_s(mean_s, slots - others, serial), _interval_s(mean_s, left - others, serial), slots, mean_s, others
    )


def _interval_s(mean_s: float, free: float, serial: bool) -> float | None:
    if free <= 0:
        return None
    return _rounded_up(mean_s / (BUSIEST_SAFE * (min(1.0, free) if serial else free)))


def _rounded_up(seconds: float) -> float:
    """To three digits, as durations are printed: who sets what he reads is safe."""
    places = 2 - math.floor(math.log10(seconds)) if seconds > 0 else 0
    return round(math.ceil(round(seconds * 10.0**places, 6)) / 10.0**places, 9)


def _largest_host(crews: Sequence[Crew]) -> int:
    slots: dict[str, int] = {}
    for crew in crews:
        slots[crew.host] = slots.get(crew.host, 0) + crew.slots
    return max(slots.values(), default=0)
