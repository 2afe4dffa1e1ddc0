"""A worker's housekeeping: the lease and the report, statistics, other workers' remains, old history, strays, the host."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Final

from oakum.errors import StoreError
from oakum.host import memory
from oakum.host.limits import Heap
from oakum.host.tree import children, proportional
from oakum.model.ids import id_text
from oakum.model.report import ChildReport, WorkerReport, encode_report
from oakum.run.worker.kid import Kid
from oakum.run.worker.recovery import Recovery
from oakum.run.worker.sampler import Sampler
from oakum.run.worker.scheduler import Scheduler
from oakum.run.worker.supervisor import LEASE_MS, Supervisor
from oakum.run.worker.templates import Templates
from oakum.units import MIB, format_size

EVERY_S: Final = 2.0
PSS_EVERY_S: Final = 300.0
TRIM_EVERY_S: Final = 60.0
STALLED_PERCENT: Final = 20.0
PRUNE_AT_ONCE: Final = 1000
PRUNE_S: Final = 0.2


class House:
    """Keeps the house of one supervisor. `ring3` says what the kernel enforces."""

    def __init__(
        self, supervisor: Supervisor, scheduler: Scheduler, sampler: Sampler, templates: Templates, ring3: str
    ) -> None:
        self._supervisor, self._scheduler, self._sampler = supervisor, scheduler, sampler
        self._templates, self._ring3 = templates, ring3
        self._recovery = Recovery(supervisor.store, supervisor.ledger.spec, LEASE_MS)
        self._started_ms = supervisor.now().wall_ms
        self._next = self._next_pss = self._next_trim = 0.0
        self._heap = Heap()
        self._seen_ended, self._seen_at = 0, time.monotonic()
        self._rate = 0.0
        self._pss = 0
        self.state = "starting"
        self.lost_lease = 0

    def tick(self, now: float) -> None:
        """Once a second: sizes, strays, the host's memory; every other second the store."""
        supervisor = self._supervisor
        supervisor.measure()
        supervisor.host_short = _host_short()
        self._end_strays()
        if now >= self._next_trim and supervisor.quiet:
            self._next_trim = now + TRIM_EVERY_S
            self._heap.trim()
        supervisor.herald.flush()
        supervisor.crew.fill()
        try:
            if now >= self._next:
                self._next = now + EVERY_S
                self._visit_store(now)
            self._scheduler.tick(supervisor.holder, self._recovery.leads)
            self._prune(time.monotonic())
        except StoreError as error:
            supervisor.trouble.text = str(error)

    def _visit_store(self, now: float) -> None:
        supervisor = self._supervisor
        store = supervisor.store
        if not supervisor.renew(encode_report(self.report(now))):
            self.lost_lease += 1
            supervisor.abandon()
        notes = supervisor.crew.take_notes()
        if notes:
            store.progress(notes, supervisor.holder)
        supervisor.stop_cancelled()
        supervisor.ledger.save(store)
        if self._recovery.sweep(supervisor.holder, supervisor.now()):
            supervisor.look_again()
        if self._recovery.leads:
            self._sampler.tick(supervisor.now())
        store.promote(supervisor.now())

    def _prune(self, now: float) -> None:
        """Old history leaves in batches, for at most a fifth of the time however much there is."""
        while self._supervisor.store.prune(self._supervisor.now(), PRUNE_AT_ONCE) == PRUNE_AT_ONCE:
            if time.monotonic() - now > PRUNE_S:
                return

    def _end_strays(self) -> None:
        """Processes that a job left behind have become this process's children: they end with their job."""
        kids = self._supervisor.fleet.kids
        if not all(kid.pid for kid in kids):
            return  # one that is still coming up cannot be told from a stray
        known = {kid.pid for kid in kids} | self._templates.pids() | self._supervisor.herald.pids()
        for pid in children(os.getpid()):
            if pid not in known:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def rings(self) -> tuple[str, ...]:
        """What each ring of enforcement does here."""
        first = next((kid.ring1 for kid in self._supervisor.fleet.kids if kid.ring1), "")
        third = next((kid.ring3 for kid in self._supervisor.fleet.kids if kid.ring3), "") or self._ring3
        return f"1 {first or 'child: RLIMIT_DATA, exact peaks'}", "2 meter: looks every 2 to 100 ms", f"3 {third}"

    def report(self, now: float) -> WorkerReport:
        """What the worker says of itself."""
        supervisor, manifest = self._supervisor, self._templates.manifest
        fleet = supervisor.fleet
        if now - self._seen_at >= EVERY_S:
            self._rate = (supervisor.settler.ended - self._seen_ended) / (now - self._seen_at)
            self._seen_ended, self._seen_at = supervisor.settler.ended, now
        if now >= self._next_pss:
            self._next_pss = now + PSS_EVERY_S
            pids = [os.getpid(), *self._templates.pids(), *(kid.pid for kid in fleet.kids if kid.pid)]
            self._pss = sum(proportional(pid) or 0 for pid in pids)
        return WorkerReport(
            pid=os.getpid(),
            app=manifest.app,
            state="short of memory" if supervisor.host_short else self.state,
            started_ms=self._started_ms,
            at_ms=supervisor.now().wall_ms,
            room=fleet.size,
            supervisor=fleet.supervisor,
            template=fleet.template,
            slots=fleet.slots,
            children=tuple(_child_report(kid, now) for kid in fleet.kids if kid.pid),
            rings=self.rings(),
            durability=supervisor.store.durability,
            waiting_for_room=len(supervisor.pool),
            ended=supervisor.settler.ended,
            rate=self._rate,
            pss=self._pss,
            limits=supervisor.ledger.limits(),
            queues=supervisor.queues,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        supervisor = self._supervisor
        known = (
            supervisor.host_short,
            supervisor.trouble.text,
            supervisor.crew.trouble,
            self._templates.manifest.spawn,
        )
        notes = [note for note in known if note]
        notes += self._scheduler.notes()
        for task, wanted in supervisor.ledger.too_large().items():
            notes.append(f"{task} wants {format_size(wanted)}, more than this worker's room leaves for a job")
        return tuple(notes)


def _child_report(kid: Kid, now: float) -> ChildReport:
    running = kid.page.running()
    held = kid.in_hand.get(running[0]) if running is not None else None
    return ChildReport(
        pid=kid.pid,
        resting=kid.resting,
        reserved=kid.plan.reserve if kid.in_hand and kid.plan is not None else 0,
        measured=kid.sampled,
        task=held.job.task if held is not None else "",
        job_id=id_text(held.job.id) if held is not None else "",
        running_s=now - running[1] / 1e9 if held is not None and running is not None else 0.0,
        in_hand=len(kid.in_hand),
    )


def _host_short() -> str:
    """Why nothing is claimed now, "" when the host has memory enough."""
    host = memory.read()
    if host.available < min(host.total // 20, 256 * MIB):
        return f"the host has only {format_size(host.available)} of memory left"
    stalled = memory.stalled()
    return f"the host waits for memory {stalled:.0f} % of the time" if stalled > STALLED_PERCENT else ""
