"""One guarded run from the lock to the log: what `oakum run` does once its words are understood."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, NamedTuple

from oakum.clock import Clock
from oakum.watch.guard.command import run_command
from oakum.watch.guard.locks import OnBusy, only_one
from oakum.watch.guard.orphans import end_orphans, marked
from oakum.watch.guard.outcome import EXIT_BUSY, Limits, Outcome, Reason
from oakum.watch.guard.runlog import Run, RunLog
from oakum.watch.guard.tail import Tail

_RUNNING: Final = "running"  # a file for each run that goes on
_PATIENCE_BEYOND_GRACE: Final = 15.0  # seconds that an older run has to end its tree, after its grace


@dataclass(frozen=True, slots=True)
class Guard:
    """What one line of a crontab asks for."""

    command: list[str]
    limits: Limits
    lock: str | None
    on_busy: OnBusy
    directory: str  # locks and the log of runs are kept here


class Guarded(NamedTuple):
    """How it went; why the log could not be written, where it could not; how many orphans of earlier runs were ended."""

    outcome: Outcome
    unrecorded: OSError | None
    orphans: int


def guarded_run(guard: Guard, clock: Clock, output: Tail | None) -> Guarded:
    """Ends what killed runs left behind, takes the lock, runs the command, writes both ends of the run to the log.

    A full disk, on which the log can't be written, does not keep a job from running. Raises UsageError and CannotRun
    for a lock that cannot be had.
    """
    orphans = end_orphans(os.path.join(guard.directory, _RUNNING), clock)
    log = RunLog(guard.directory)
    run = Run(
        run=f"{clock.wall():.3f}-{os.getpid()}",
        at=round(clock.wall(), 3),
        command=guard.command,
        lock=guard.lock,
        timeout=guard.limits.timeout,
        memory=guard.limits.memory,
    )
    if guard.lock is None:
        return Guarded(*_recorded(log, run, guard, clock, output), orphans)
    patience = guard.limits.grace + _PATIENCE_BEYOND_GRACE
    with only_one(os.path.join(guard.directory, "locks"), guard.lock, guard.on_busy, patience) as ours:
        if not ours:
            busy = Outcome(Reason.BUSY, EXIT_BUSY)
            return Guarded(busy, _append(log, run.ended(busy)), orphans)
        return Guarded(*_recorded(log, run, guard, clock, output), orphans)


def _recorded(log: RunLog, run: Run, guard: Guard, clock: Clock, output: Tail | None) -> tuple[Outcome, OSError | None]:
    _append(log, run)
    with marked(os.path.join(guard.directory, _RUNNING)) as mark:
        outcome = run_command(guard.command, guard.limits, clock, output, mark)
    return outcome, _append(log, run.ended(outcome))


def _append(log: RunLog, run: Run) -> OSError | None:
    try:
        log.append(run)
    except OSError as error:
        return error
    return None
