"""Jobs of workers that are no more: found by their process or their lease, and given back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from oakum.host.identity import Process, is_gone, myself
from oakum.model.lifecycle import settle
from oakum.model.outcome import Lost, Outcome, Released
from oakum.model.task import TaskSpec
from oakum.store.base import Holder, Identity, Instant, Store

BATCH: Final = 500
LOOKS: Final = 3  # sweeps that must have seen a lease unrenewed: one says little after this host slept


class _Seen(NamedTuple):
    """A lease as it was first seen, at which boot millisecond of this host, and in how many sweeps since."""

    lease_ms: int
    since_ms: int
    looks: int


def identity(process: Process) -> Identity:
    """A process as the store writes it."""
    return Identity(process.host, process.boot_id, process.pid_namespace, process.pid, process.start)


class Recovery:
    """One worker's sweep over all others. `spec` answers a task's budgets by its name; `lease_ms` is how long they hold.

    `leads`: by the last sweep this worker is the eldest. It does what one of them should do for all; two may believe it
    of themselves for a moment, so nothing may be wrong if both do it.
    """

    def __init__(self, store: Store, spec: Callable[[str], TaskSpec], lease_ms: int) -> None:
        self._store, self._spec, self._lease_ms = store, spec, lease_ms
        self._here = myself()
        self._seen: dict[int, _Seen] = {}
        self.leads = False

    def sweep(self, own: int, now: Instant) -> int:
        """Gives back the jobs of every holder but `own` that has ended or let its lease run out; how many there were.

        A lease is written in its own host's boot time, which says nothing elsewhere. What tells everywhere is that it
        stays as it is: one that this process has seen unrenewed for a whole lease, in several sweeps, has run out.
        """
        seen: dict[int, _Seen] = {}
        jobs = 0
        holders = self._store.holders()
        self.leads = own == min((holder.number for holder in holders if not holder.fenced), default=own)
        for holder in holders:
            if holder.number == own:
                continue
            look = seen[holder.number] = self._look(holder, now)
            ran_out = look.looks >= LOOKS and now.boot_ms - look.since_ms > self._lease_ms
            if holder.fenced or ran_out or self._gone(holder):
                jobs += self._reclaim(holder, now)
        self._seen = seen
        return jobs

    def _look(self, holder: Holder, now: Instant) -> _Seen:
        before = self._seen.get(holder.number)
        if before is None or before.lease_ms != holder.lease_until_ms:
            return _Seen(holder.lease_until_ms, now.boot_ms, 1)
        return before._replace(looks=before.looks + 1)

    def _gone(self, holder: Holder) -> bool | None:
        who = holder.identity
        return is_gone(Process(who.host, who.boot_id, who.pid_namespace, who.pid, who.start_ticks), self._here)

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
