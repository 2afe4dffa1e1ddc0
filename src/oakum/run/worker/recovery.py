"""Jobs of workers that are no more: found by their process or their lease, and given back."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from oakum.host.identity import Process, is_gone, myself
from oakum.model.lifecycle import settle
from oakum.model.outcome import Lost, Outcome, Released
from oakum.model.task import TaskSpec
from oakum.store.base import Holder, Identity, Instant, Store

BATCH: Final = 500


def identity(process: Process) -> Identity:
    """A process as the store writes it."""
    return Identity(process.host, process.boot_id, process.pid_namespace, process.pid, process.start)


class Recovery:
    """One worker's sweep over all others. `spec` answers a task's budgets by its name."""

    def __init__(self, store: Store, spec: Callable[[str], TaskSpec]) -> None:
        self._store, self._spec = store, spec
        self._here = myself()
        self._expired: Mapping[int, int] = {}

    def sweep(self, own: int, now: Instant) -> int:
        """Gives back the jobs of every holder but `own` that has ended or let its lease run out; how many there were.

        A lease must have been seen expired by two sweeps in a row: after the host slept, everybody's has, and all of
        them are about to renew.
        """
        expired: dict[int, int] = {}
        jobs = 0
        for holder in self._store.holders():
            if holder.number == own:
                continue
            gone = self._gone(holder)
            late = gone is not True and self._late(holder, now)
            if late:
                expired[holder.number] = holder.lease_until_ms
            seen_before = self._expired.get(holder.number) == holder.lease_until_ms
            if gone is True or holder.fenced or (late and seen_before):
                jobs += self._reclaim(holder, now)
        self._expired = expired
        return jobs

    def _gone(self, holder: Holder) -> bool | None:
        who = holder.identity
        return is_gone(Process(who.host, who.boot_id, who.pid_namespace, who.pid, who.start_ticks), self._here)

    def _late(self, holder: Holder, now: Instant) -> bool:
        # A lease is written in its own host's boot time: on another host it says nothing, and its store's clock must.
        return holder.identity.boot_id == self._here.boot_id and holder.lease_until_ms < now.boot_ms

    def _reclaim(self, holder: Holder, now: Instant) -> int:
        if not self._store.fence(holder.number, holder.lease_until_ms):
            return 0  # it renewed after all
        rebooted = holder.identity.host == self._here.host and holder.identity.boot_id != self._here.boot_id
        outcome: Outcome = (
            Lost("the host went down while it ran", host=True) if rebooted else Released("its worker ended")
        )
        jobs = 0
        while held := self._store.held(holder.number, BATCH):
            settled = [settle(job, outcome, None, self._spec(job.task), now.wall_ms, random.random()) for job in held]
            late = self._store.settle(settled, holder.number, now)
            jobs += len(held) - len(late)
            if len(late) == len(held):
                break
        self._store.discharge(holder.number)
        return jobs
