"""Takes a sample of the store's counters now and then, for `oakum capacity` and for schedules: the leading worker does."""

from __future__ import annotations

import math

from oakum.model.capacity import SAMPLE_EVERY_S, Counted, History, Pace, Sample, Served, busiest
from oakum.model.interval import Crew, Safe, safe_interval
from oakum.model.report import decode_report
from oakum.model.schedule.spec import Schedule
from oakum.store.base import Holder, Instant, Store

MEMO = "capacity"


class Sampler:
    """The present pace of everything in one store, as far as it was sampled."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_ms = 0
        self._paces: list[Pace] = []
        self._crews: list[Crew] = []

    def tick(self, now: Instant) -> None:
        """Takes a sample if it is time for one, and keeps it in the store."""
        if now.boot_ms < self._next_ms:
            return
        self._next_ms = now.boot_ms + int(SAMPLE_EVERY_S * 1000)
        history = History.decode(self._store.memo(MEMO))
        history.add(sample(self._store, now))
        self._store.keep_memo(MEMO, history.encode())
        self._paces = history.paces()
        self._crews = [crew for holder in self._store.holders() if (crew := crew_of(holder)) is not None]

    def safe(self, queue: str, task: str, *, serial: bool) -> Safe | None:
        """The smallest safe interval of one task in one queue, None as long as too little was measured."""
        return safe_interval(queue, task, serial, self._paces, self._crews)

    def safe_ms(self, schedule: Schedule) -> int | None:
        """The smallest safe interval of a schedule in milliseconds, None where none is known."""
        job = schedule.job
        safe = self.safe(job.queue, job.task, serial=schedule.overlap != "allow")
        return None if safe is None or safe.interval_s is None else math.ceil(safe.interval_s * 1000)


def sample(store: Store, now: Instant) -> Sample:
    """The store's counters at this moment."""
    unfinished: dict[tuple[str, str], list[int]] = {}
    for count in store.counts():
        if not count.state.terminal:
            sums = unfinished.setdefault((count.queue, count.task), [0, 0])
            sums[0] += count.jobs
            sums[1] += count.bytes
    flows = [
        Counted(flow.queue, flow.task, flow.arrived, flow.ended, *unfinished.get((flow.queue, flow.task), (0, 0)))
        for flow in store.flows()
    ]
    kept = busiest(flows)
    tasks = {flow.task for flow in kept}
    served = {task: Served(stats.runs, stats.busy_us) for task, stats in store.stats().items() if task in tasks}
    return Sample(now.wall_ms, kept, served, store.space().used)


def crew_of(holder: Holder) -> Crew | None:
    """What a holder brings to bear, None for one that is fenced or has not said yet."""
    report = decode_report(holder.report) if holder.report and not holder.fenced else None
    return None if report is None else Crew(holder.identity.host, report.slots, report.queues)
