"""What a dead child's jobs died of: from its exit status, from what was done to it, and from what it wrote last."""

from __future__ import annotations

import linecache
import os
import re
import signal
import sys
import time
from typing import Final

from oakum.host.process import LOST_CHANNEL
from oakum.model.job import Claimed
from oakum.model.outcome import Lost, Outcome, OverBudget, Released, Usage, clip
from oakum.run.worker.kid import InHand, Kid

_NOT_THE_USERS: Final = (
    sys.prefix + os.sep,
    sys.base_prefix + os.sep,
    os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep,  # Oakum itself
)
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+) in (\S+)')
_BEHIND: Final = "the kernel's limit was behind what its child had kept of the job before"
_TOGETHER: Final = "the jobs of its loop ended with their child; each runs alone"


def autopsy(
    kid: Kid, status: os.waitid_result, back: list[Claimed]
) -> tuple[str, list[tuple[InHand, Outcome, Usage | None]]]:
    """The cause of a child's end, and the outcome of each job that it had begun.

    Jobs that it had been given and had not begun are added to `back`: they are unspent.
    """
    cause = _cause(status)
    verdict = kid.verdict
    if verdict is None and kid.group is not None and kid.group.kills():
        limit = kid.plan.limit if kid.plan is not None else 0
        verdict = Released(_BEHIND, alone=True) if kid.group_behind else OverBudget(kid.sampled, limit, ring=3)
    if isinstance(verdict, OverBudget):
        kid.read_output()
        verdict = OverBudget(verdict.peak, verdict.limit, _where(kid), verdict.ring)
    outcome = verdict if verdict is not None else Lost(f"its process {cause}")
    began = _began(kid)
    for number, held in kid.in_hand.items():
        if number not in began:
            back.append(held.job)
    running = [kid.in_hand[number] for number in began]
    kid.in_hand.clear()
    if len(running) > 1:  # several on one loop: whose fault it was will show when each runs alone
        outcome = Released(_TOGETHER, alone=True)
    return cause, [(held, _doom(held, verdict) or outcome, _usage(kid, held)) for held in running]


def _doom(held: InHand, verdict: Outcome | None) -> Outcome | None:
    """What was said beforehand of a job that was asked to end, unless the child had to be killed for something else."""
    return held.doom if verdict is None else None


def _began(kid: Kid) -> list[int]:
    """The numbers of the jobs that it had begun and not answered for, whether or not it came to their end."""
    started = kid.page.started()
    if kid.plan is not None and kid.plan.shared:
        return [number for number in kid.in_hand if number <= started]
    return [started] if started in kid.in_hand else []


def _usage(kid: Kid, held: InHand) -> Usage:
    duration = time.monotonic() - held.at
    return Usage(int((time.time() - duration) * 1000), int(duration * 1e6), kid.sampled, kid.resting, None, False)


def _cause(status: os.waitid_result) -> str:
    if status.si_code == os.CLD_EXITED:
        if status.si_status == LOST_CHANNEL:
            return "lost its line to the worker (were its descriptors closed?)"
        return f"ended by itself with status {status.si_status}"
    try:
        name = signal.Signals(status.si_status).name
    except ValueError:
        name = f"signal {status.si_status}"
    return f"was ended by {name}"


def _where(kid: Kid) -> str:
    """The innermost line of the user's own code in the stack that the child was asked for before it was killed."""
    frames = list(_FRAME.finditer(kid.tail.peek()))
    frame = next((frame for frame in frames if not frame[1].startswith(_NOT_THE_USERS)), frames[0] if frames else None)
    if frame is None:
        return ""
    line = linecache.getline(frame[1], int(frame[2])).strip()
    return clip(f"{frame[1]}:{frame[2]} in {frame[3]}: {line}")
