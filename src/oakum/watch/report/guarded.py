"""What `oakum run` recorded, one line a command: how often, how it ended, how long it took. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from oakum.watch.families import fold, printable
from oakum.watch.guard.outcome import Reason
from oakum.watch.guard.runlog import Run

_MOST: Final = 50


class GuardedRuns(NamedTuple):
    """The runs of one lock, or of one family of commands where there is none. Seconds and bytes."""

    name: str
    command: str
    runs: int
    well: int
    failed: int
    timed_out: int
    over_memory: int
    skipped: int
    unended: int  # still running, or the host went down under it
    median_seconds: float
    longest_seconds: float
    peak_bytes: int


def guarded_runs(runs: Sequence[Run]) -> tuple[GuardedRuns, ...]:
    """A line for each command that was run, the most troubled first."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.lock or fold(_command(run)), []).append(run)
    lines = [_line(name, members) for name, members in grouped.items()]
    lines.sort(key=lambda line: (-(line.timed_out + line.over_memory), -line.failed, -line.skipped, line.name))
    return tuple(lines[:_MOST])


def _line(name: str, runs: list[Run]) -> GuardedRuns:
    reasons = Counter(run.reason for run in runs)
    seconds = sorted(run.seconds for run in runs if run.reason not in (None, Reason.BUSY)) or [0.0]
    well = sum(run.reason is Reason.FINISHED and run.status == 0 for run in runs)
    return GuardedRuns(
        name=name,
        command=_command(runs[-1]),
        runs=len(runs) - reasons[Reason.BUSY],
        well=well,
        failed=reasons[Reason.FINISHED] - well + reasons[Reason.NOT_STARTED] + reasons[Reason.INTERRUPTED],
        timed_out=reasons[Reason.TIMED_OUT],
        over_memory=reasons[Reason.OVER_MEMORY],
        skipped=reasons[Reason.BUSY],
        unended=reasons[None],
        median_seconds=seconds[len(seconds) // 2],
        longest_seconds=seconds[-1],
        peak_bytes=max(run.peak_bytes for run in runs),
    )


def _command(run: Run) -> str:
    return printable(shlex.join(run.command))
