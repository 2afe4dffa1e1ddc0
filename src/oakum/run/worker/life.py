"""A worker from its first breath to its last: an application that loads, a supervisor that turns, an end in order."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from oakum.clock import Clock, SystemClock
from oakum.errors import CannotRun, StoreError
from oakum.events import WorkerStarted, WorkerStopped
from oakum.host import cgroup, memory
from oakum.host.process import become_subreaper, set_name
from oakum.model.ids import id_text
from oakum.model.job import DEFAULT_QUEUE, Claimed
from oakum.model.outcome import Released
from oakum.model.task import Manifest
from oakum.run.rules import overfull
from oakum.run.worker.crew import Crew
from oakum.run.worker.fleet import Fleet
from oakum.run.worker.health import Health
from oakum.run.worker.herald import Herald
from oakum.run.worker.house import House
from oakum.run.worker.ledger import Ledger
from oakum.run.worker.notify import notify
from oakum.run.worker.nursery import Nursery
from oakum.run.worker.poller import Poller
from oakum.run.worker.reach import await_store
from oakum.run.worker.sampler import Sampler
from oakum.run.worker.scheduler import Scheduler
from oakum.run.worker.signals import Signals
from oakum.run.worker.supervisor import Supervisor
from oakum.run.worker.templates import Templates
from oakum.store.open import open_store
from oakum.store.shown import shown_url
from oakum.units import MIB, format_size

SHARE_OF_LIMIT: Final = 0.8
SMALLEST_JOB: Final = 8 * MIB
TICK_S: Final = 1.0
GROUP_PREFIX: Final = "oakum-"
LAST_WORD_S: Final = 5.0  # for killed children to be reaped, and for stop hooks to run


@dataclass(frozen=True, slots=True)
class Settings:
    """What `oakum worker` was told. Sizes in bytes, times in seconds; None: found out here.

    `grace_s`: how long running jobs get when the worker is stopped. `reload`: load the application anew whenever one of its
    files changes. `kernel_ring`: whether to make control groups.
    """

    target: str
    memory: int | None = None
    slots: int | None = None
    queues: tuple[str, ...] | None = None
    grace_s: float = 30.0
    overcommit: bool = False
    health_port: int | None = None
    echo: bool = False
    reload: bool = False
    kernel_ring: bool = True


class Worker:
    """One `oakum worker`. `planted` is what `template.plant` gave; `say` prints a line for the person who started it."""

    def __init__(
        self,
        settings: Settings,
        planted: tuple[socket.socket, int],
        say: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:
        self._settings, self._say = settings, say
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._slots = settings.slots if settings.slots is not None else len(os.sched_getaffinity(0))
        self._room = settings.memory if settings.memory is not None else int(memory.read().limit * SHARE_OF_LIMIT)
        self._templates = Templates(settings.target, planted, say)
        self._said: set[str] = set()  # what is amiss and was told
        self._undeclared = False  # whether there are rules that the store was not told of
        self._once_more = False  # whether to load anew again: it was told to while that was under way
        self._groups: cgroup.Parent | None = None
        self._poller = Poller()
        self._signals: Signals
        self._crew: Crew
        self._supervisor: Supervisor
        self._scheduler: Scheduler
        self._house: House

    def run(self) -> int:
        """Works until it is told to stop; the exit status.

        Raises CannotRun when there is no room for one child, and when the store has moved elsewhere.
        """
        set_name("oakum-worker", f"oakum worker {self._settings.target}")
        become_subreaper()
        self._signals = Signals()
        ring3 = self._open_groups()
        try:
            if not self._templates.await_first(lambda: self._stopping):
                return 0
            self._poller.watch(self._signals.fileno(), self._signals.drain)
            if not self._begin(ring3):
                return 0
            next_tick = 0.0
            while not self._stopping and not self._supervisor.left:
                now = time.monotonic()
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self._tick(now)
                if self._scheduler.turn(self._supervisor.holder):
                    self._supervisor.look_again()
                self._supervisor.turn(max(0.0, min(next_tick - time.monotonic(), self._scheduler.patience())))
            self._stop()
            if self._stopping:
                return 0
            raise CannotRun(self._supervisor.left)
        finally:
            self._templates.close()
            if self._groups is not None:
                self._groups.remove()
            self._signals.close()

    # -- beginning ---------------------------------------------------------------------------------------------------

    def _begin(self, ring3: str) -> bool:
        """Takes up work once the store is there; false when it was told to stop before."""
        settings, manifest = self._settings, self._templates.manifest
        store = open_store(manifest.store, alone=True)
        ledger = Ledger(self._slots, settings.overcommit)
        ledger.learn(manifest)
        if not await_store(lambda: ledger.load(store.stats()), self._rest, self._say):
            return False
        fleet = Fleet(self._room, self._slots)
        echo = _echo if settings.echo else None
        self._crew = crew = Crew(fleet, self._poller, Herald(), self._groups)
        queues = settings.queues if settings.queues is not None else queues_of(manifest)
        supervisor = Supervisor(store, self._clock, crew, self._poller, ledger, queues, echo)
        sampler = Sampler(store)
        self._supervisor, self._scheduler = supervisor, Scheduler(store, supervisor.now, sampler.safe_ms)
        self._house = House(supervisor, self._scheduler, sampler, self._templates, ring3)
        crew.nursery = self._templates.current
        supervisor.measure()
        self._check_room(fleet)
        if not await_store(supervisor.open, self._rest, self._say):
            return False
        self._hire()
        if settings.health_port is not None:
            health = Health(settings.health_port, supervisor.goes_forward, lambda: self._house.state == "running")
            self._poller.watch(health.fileno(), health.answer)
        self._house.state = "running"
        supervisor.herald.emit(WorkerStarted(os.getpid(), self._room, self._slots, self._house.rings()))
        self._say(
            f"oakum worker: {manifest.app} on {shown_url(manifest.store)}: {len(manifest.tasks)} tasks, {self._slots} slots,"
            f" room {format_size(self._room)}"
        )
        notify("READY=1")
        return True

    def _rest(self, seconds: float) -> bool:
        """Waits; false as soon as it is told to stop."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            self._poller.poll(left)
        return not self._stopping

    def _check_room(self, fleet: Fleet) -> None:
        overhead = fleet.supervisor + fleet.template
        if overhead + SMALLEST_JOB > self._room:
            enough = -(-overhead * 2 // (32 * MIB)) * 32
            raise CannotRun(
                f"memory: a room of {format_size(self._room)} has no space for even one child: supervisor and template"
                f" take {format_size(overhead)}; give --memory {enough}MiB or more"
            )

    def _open_groups(self) -> str:
        """Ring 3, where it can be had; what there is to say of it."""
        hierarchy = cgroup.find()
        if not self._settings.kernel_ring or hierarchy is None:
            return "off: not wanted" if hierarchy is not None else "off: this host has no memory controller"
        cgroup.sweep(hierarchy, GROUP_PREFIX)
        self._groups = cgroup.make(hierarchy, f"{GROUP_PREFIX}{os.getpid()}")
        if self._groups is None:
            return "off: this user may not make control groups (systemd: Delegate=memory)"
        return f"kernel: a control group for each child (v{hierarchy.version})"

    # -- working -------------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        self._obey()
        if self._undeclared:
            self._declare()
        self._house.tick(now)
        if self._house.lost_lease:
            self._house.lost_lease = 0
            self._say("oakum worker: the lease was lost (was this process stopped for a while?); began anew")
        notes = self._crew.trouble, self._supervisor.trouble.text, *self._scheduler.notes()
        trouble = {note for note in notes if note}
        for note in sorted(trouble - self._said):
            self._say(f"oakum worker: {note}")
        self._said = trouble
        if self._settings.reload and self._templates.changed():
            self._renew_template()
        notify("WATCHDOG=1")

    def _hire(self) -> None:
        """The present template makes the children from now on."""
        supervisor, nursery = self._supervisor, self._templates.current
        assert nursery is not None
        self._crew.nursery = nursery
        supervisor.learn(self._templates.manifest)
        self._undeclared = True
        self._scheduler.learn(nursery.take_schedules(), self._templates.manifest.app)
        self._poller.watch(nursery.fileno(), lambda: self._template_died(nursery))
        if self._templates.manifest.listens:
            supervisor.herald.connect(*nursery.listener())
        self._crew.fill()

    def _declare(self) -> None:
        """Brings the rules of queues, tasks and store to the store; at the next tick again where it is in trouble."""
        store, rules = self._supervisor.store, self._templates.manifest.rules
        try:
            for kind, declared in rules.items():
                store.declare(kind, declared)
            too_low = list(overfull(store, rules.get("queue", {})))
        except StoreError as error:
            self._supervisor.trouble.text = str(error)
            return
        self._undeclared = False
        for line in too_low:
            self._say(f"oakum worker: {line}")

    def _template_died(self, nursery: Nursery) -> None:
        """A template that has loaded speaks only by ending. Its children live on; another template is started."""
        self._poller.unwatch(nursery.fileno())
        self._crew.nursery = None
        self._templates.died()
        self._renew_template()

    def _renew_template(self) -> None:
        coming = self._templates.renew()
        if coming is not None:
            self._poller.watch(coming.fileno(), lambda: self._template_came(coming))

    def _template_came(self, coming: Nursery) -> None:
        before = self._templates.current
        self._poller.unwatch(coming.fileno())
        if before is not None:
            self._poller.unwatch(before.fileno())
        if self._templates.arrived():
            self._hire()
            self._crew.replace_all("the application was loaded anew")
            self._say("oakum worker: loaded the application anew")
        elif before is not None:
            self._poller.watch(before.fileno(), lambda: self._template_died(before))
        else:
            self._renew_template()
        if self._once_more:
            self._once_more = False
            self._renew_template()

    # -- stopping ------------------------------------------------------------------------------------------------------

    @property
    def _stopping(self) -> bool:
        return self._signals.stops > 0

    def _obey(self) -> None:
        """HUP: load the application anew. USR1: claim nothing more (quiet). USR2: claim again."""
        for number in self._signals.take():
            if number == signal.SIGHUP:
                self._once_more = self._templates.coming is not None
                self._renew_template()
            elif number == signal.SIGUSR1:
                self._supervisor.claiming, self._house.state = False, "quiet"
                self._supervisor.release("the worker was quieted")
            elif number == signal.SIGUSR2:
                self._supervisor.claiming, self._house.state = True, "running"

    def _stop(self) -> None:
        """No more claims; what runs has the grace, or until it is told a second time; then it is ended, unspent.

        A store that can't be reached even then is left without a word: its lease runs out, and the jobs go back.
        """
        supervisor = self._supervisor
        notify("STOPPING=1")
        self._house.state, supervisor.claiming = "stopping", False
        supervisor.release("the worker stopped")
        told, deadline = self._signals.stops, time.monotonic() + self._settings.grace_s
        next_tick, killed = 0.0, False
        while not supervisor.quiet:
            now = time.monotonic()
            if now > deadline or self._signals.stops > told:
                if killed and supervisor.trouble.text:
                    break
                killed = True
                told, deadline = self._signals.stops, now + LAST_WORD_S
                busy = [kid for kid in self._crew.fleet.kids if kid.in_hand]
                self._crew.kill(busy, Released("the worker stopped"))
            if now >= next_tick:
                next_tick = now + TICK_S
                self._house.tick(now)
            supervisor.turn(TICK_S / 10)
            supervisor.release("the worker stopped")
        farewell = "nothing was left running" if supervisor.quiet else f"not all was written: {supervisor.trouble.text}"
        supervisor.herald.emit(WorkerStopped(os.getpid(), "told to stop"))
        self._crew.dismiss(LAST_WORD_S)
        supervisor.herald.dismiss()
        self._scheduler.close()
        supervisor.close()
        self._poller.close()
        self._say(f"oakum worker: stopped after {supervisor.settler.ended} jobs; {farewell}")


def queues_of(manifest: Manifest) -> tuple[str, ...]:
    """All queues that an application declares or its tasks name, the default one first: jobs may be sent there by name."""
    named = {spec.queue for spec in manifest.tasks} | manifest.rules.get("queue", {}).keys()
    return tuple(dict.fromkeys([DEFAULT_QUEUE, *sorted(named)]))


def _echo(job: Claimed, log: bytes) -> None:
    name = f"{job.task} {id_text(job.id)[-6:]}"
    for line in log.decode("utf-8", "replace").splitlines():
        print(f"{name} | {line}", flush=True)
