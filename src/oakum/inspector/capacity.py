"""What is asked of a store's workers, what they can do, how fast each schedule may be, and what will be full when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from oakum.model.bounds import Ruled
from oakum.model.capacity import History, Pace, full_in_s
from oakum.model.interval import Crew, safe_interval
from oakum.model.stats import TaskStats
from oakum.store.base import Flow, Space

STALE_MS: Final = 30_000  # a sample is taken every five seconds while a worker runs
FAR_S: Final = 365 * 86400.0  # a forecast beyond a year is none

Verdict = Literal["safe", "too short", "too short with one host less", "unknown"]


class PaceRow(Struct, frozen=True):
    """One task in one queue, over its window. Jobs per second, seconds; `slots` are those that its jobs keep busy.

    `oldest_s`: how long the oldest job that could start has waited. `drain_s`: until none waits, None where that never comes.
    """

    queue: str
    task: str
    window_s: float
    arrivals: float
    endings: float
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    slots: float
    unfinished: int
    oldest_s: float | None
    drain_s: float | None


class Planned(Struct, frozen=True):
    """A schedule, as far as capacity cares. `serial`: its runs never overlap."""

    name: str
    queue: str
    task: str
    interval_s: float
    serial: bool


class IntervalRow(Struct, frozen=True):
    """How fast a schedule is and may be. Seconds; `slots_needed` for its present interval, were its runs to overlap."""

    schedule: str
    queue: str
    task: str
    interval_s: float
    serial: bool
    verdict: Verdict
    safe_s: float | None = None
    one_host_less_s: float | None = None
    slots: int = 0
    slots_needed: int | None = None


class ForecastRow(Struct, frozen=True):
    """What fills up: by `growth` a second from `used` towards `bound` (jobs or bytes), and in how many seconds it is full."""

    subject: str
    unit: Literal["jobs", "bytes"]
    used: float
    bound: float
    growth: float
    full_in_s: float


class Capacity(Struct, frozen=True):
    """The whole of it. `sampled_ms` is when a worker last took a sample, None for never; `busy` is a share of `slots`."""

    at_ms: int
    sampled_ms: int | None
    slots: int
    busy: float
    paces: tuple[PaceRow, ...]
    intervals: tuple[IntervalRow, ...]
    forecasts: tuple[ForecastRow, ...]

    @property
    def stale(self) -> bool:
        """Whether nobody takes samples (any more)."""
        return self.sampled_ms is None or self.at_ms - self.sampled_ms > STALE_MS


def capacity(
    now_ms: int,
    history: History,
    crews: Sequence[Crew],
    stats: Mapping[str, TaskStats],
    flows: Sequence[Flow],
    rules: Mapping[str, Ruled],
    space: Space,
    planned: Iterable[Planned],
) -> Capacity:
    """From what was measured, what runs and what is declared."""
    paces = history.paces()
    slots = sum(crew.slots for crew in crews)
    oldest = {(flow.queue, flow.task): flow.oldest_ms for flow in flows}
    rows = tuple(
        _pace_row(pace, stats.get(pace.task), oldest.get((pace.queue, pace.task)), now_ms)
        for pace in sorted(paces, key=lambda pace: (pace.queue, pace.task))
    )
    return Capacity(
        at_ms=now_ms,
        sampled_ms=history.samples[-1].at_ms if history.samples else None,
        slots=slots,
        busy=sum(row.slots for row in rows) / slots if slots else 0.0,
        paces=rows,
        intervals=tuple(interval_row(each, paces, crews) for each in planned),
        forecasts=tuple(_forecasts(paces, rules, space, history.used_growth())),
    )


def interval_row(plan: Planned, paces: Sequence[Pace], crews: Sequence[Crew]) -> IntervalRow:
    """How a schedule's interval stands against the smallest safe one."""
    safe = safe_interval(plan.queue, plan.task, plan.serial, paces, crews)
    if safe is None or not safe.slots:
        return IntervalRow(plan.name, plan.queue, plan.task, plan.interval_s, plan.serial, "unknown")
    verdict: Verdict = "safe"
    if safe.interval_s is None or plan.interval_s < safe.interval_s:
        verdict = "too short"
    elif safe.one_host_less_s is None or plan.interval_s < safe.one_host_less_s:
        verdict = "too short with one host less"
    return IntervalRow(
        plan.name, plan.queue, plan.task, plan.interval_s, plan.serial, verdict,
        safe.interval_s, safe.one_host_less_s, safe.slots, safe.slots_needed(plan.interval_s),
    )  # fmt: skip


def _pace_row(pace: Pace, stats: TaskStats | None, oldest_ms: int | None, now_ms: int) -> PaceRow:
    time = stats.duration if stats is not None and stats.duration.count else None
    return PaceRow(
        queue=pace.queue,
        task=pace.task,
        window_s=pace.window_s,
        arrivals=pace.arrivals,
        endings=pace.endings,
        mean_s=pace.mean_s,
        p50_s=time.quantile(0.5) / 1e6 if time is not None else None,
        p95_s=time.quantile(0.95) / 1e6 if time is not None else None,
        slots=pace.endings * (pace.mean_s or 0.0),
        unfinished=pace.unfinished,
        oldest_s=max(0, now_ms - oldest_ms) / 1000 if oldest_ms is not None else None,
        drain_s=pace.drain_s,
    )


def _forecasts(
    paces: Sequence[Pace], rules: Mapping[str, Ruled], space: Space, used_growth: float | None
) -> Iterator[ForecastRow]:
    """What is going to be full within a year, the store last."""
    for queue, ruled in sorted(rules.items()):
        mine = [pace for pace in paces if pace.queue == queue]
        growth, jobs = sum(pace.growth for pace in mine), sum(pace.unfinished for pace in mine)
        size = sum(pace.bytes for pace in mine)
        subject = f"queue {queue}"
        yield from _forecast(subject, "jobs", jobs, ruled.rules.max_jobs, growth)
        yield from _forecast(subject, "bytes", size, ruled.rules.max_bytes, growth * size / jobs if jobs else 0.0)
    yield from _forecast("store", "bytes", space.used, space.limit, used_growth or 0.0)


def _forecast(
    subject: str, unit: Literal["jobs", "bytes"], used: float, bound: int | None, growth: float
) -> Iterator[ForecastRow]:
    left_s = full_in_s(used, bound, growth) if bound is not None else None
    if bound is not None and left_s is not None and left_s < FAR_S:
        yield ForecastRow(subject, unit, used, bound, growth, left_s)
