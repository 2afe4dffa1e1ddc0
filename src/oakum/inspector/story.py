"""From what a store keeps of a job to what people are shown of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from oakum.inspector.views import Call, JobRow, JobStory, ProgressRow, RunningRow, StartRow, WorkerRow
from oakum.model.ids import id_text
from oakum.model.job import JobView
from oakum.model.outcome import (
    Cancelled,
    Completed,
    Expired,
    Failed,
    Lost,
    Outcome,
    OverBudget,
    Record,
    Released,
    Snoozed,
    TimedOut,
    Usage,
    decode_record,
    describe,
)
from oakum.model.progress import decode_progress
from oakum.run.signature import plain
from oakum.store.base import Story

_NAMES: Final = {
    Completed: "completed",
    Failed: "failed",
    Snoozed: "snoozed",
    Cancelled: "cancelled",
    OverBudget: "over budget",
    TimedOut: "timed out",
    Lost: "lost",
    Expired: "expired",
    Released: "given back",
}
_RINGS: Final = {1: "child", 2: "meter", 3: "kernel"}


def job_row(view: JobView) -> JobRow:
    """One row of a listing."""
    record = decode_record(view.record) if view.record is not None else None
    usage = record.usage if record is not None else None
    return JobRow(
        id=id_text(view.id),
        task=view.task,
        queue=view.queue,
        state=view.state.label,
        priority=view.priority,
        created_ms=view.created_ms,
        run_at_ms=view.run_at_ms,
        ended_ms=view.ended_ms,
        expires_ms=view.expires_ms,
        starts=view.token,
        tries=view.tries,
        crashes=view.crashes,
        over=view.over,
        tags=view.tags,
        parent=id_text(view.parent) if view.parent is not None else None,
        progress=_progress(view.progress),
        outcome=_NAMES[type(record.outcome)] if record is not None else "",
        error=_error(record.outcome) if record is not None else "",
        duration_us=usage.duration_us if usage is not None else None,
        peak=_peak(usage),
    )


def job_story(story: Story, workers: Sequence[WorkerRow], *, with_call: bool) -> JobStory:
    """The whole story. `workers` say where it runs; `with_call` shows arguments and result."""
    view = story.job
    starts = [start_row(decode_record(start.record), start.ended_ms) for start in story.starts]
    last = decode_record(view.record) if view.record is not None else None
    if last is not None and last.token and last.token not in [start.number for start in starts]:
        starts.append(start_row(last, view.ended_ms))
    return JobStory(
        job=job_row(view),
        starts=tuple(starts),
        running=_running(id_text(view.id), workers),
        cancel_asked=story.cancel_asked,
        log=story.log,
        payload_bytes=len(view.payload),
        call=_call(view.payload, last) if with_call else None,
    )


def start_row(record: Record, ended_ms: int | None) -> StartRow:
    """One start that has ended."""
    outcome, usage = record.outcome, record.usage
    kind, message, traceback = describe(outcome)
    over = outcome if isinstance(outcome, OverBudget) else None
    return StartRow(
        number=record.token,
        outcome=_NAMES[type(outcome)],
        started_ms=usage.started_ms if usage is not None else None,
        ended_ms=ended_ms,
        duration_us=usage.duration_us if usage is not None else None,
        peak=_peak(usage) if usage is not None else over.peak if over is not None else None,
        exact=usage.exact if usage is not None else False,
        resting=usage.resting if usage is not None else None,
        retained=usage.retained if usage is not None else None,
        limit=over.limit if over is not None else None,
        caught_by=_caught_by(outcome),
        type="" if isinstance(outcome, Completed | Snoozed) else kind,
        message=message,
        traceback=traceback or (over.where if over is not None and "\n" in over.where else ""),
    )


def _peak(usage: Usage | None) -> int | None:
    """A peak that was measured: nothing at all is what a meter says that never saw the job."""
    return usage.peak if usage is not None and (usage.exact or usage.peak) else None


def _caught_by(outcome: Outcome) -> str:
    match outcome:
        case OverBudget(ring=ring):
            return _RINGS.get(ring, "")
        case TimedOut(hard=hard):
            return "worker" if hard else "child"
        case Lost():
            return "worker"
    return ""


def _error(outcome: Outcome) -> str:
    """Why it did not complete, in one line."""
    if isinstance(outcome, Completed | Snoozed):
        return ""
    kind, message, _ = describe(outcome)
    return " ".join(f"{kind}: {message}".split()) if message else kind


def _progress(note: bytes | None) -> ProgressRow | None:
    if note is None:
        return None
    progress = decode_progress(note)
    return ProgressRow(progress.done, progress.total, progress.note, progress.at_ms)


def _running(job_id: str, workers: Sequence[WorkerRow]) -> RunningRow | None:
    for worker in workers:
        for child in worker.report.children if worker.report is not None else ():
            if child.job_id == job_id:
                return RunningRow(
                    worker.host, worker.pid, child.pid, int(child.running_s * 1e6), child.measured, child.reserved
                )
    return None


def _call(payload: bytes, last: Record | None) -> Call:
    stored = plain(payload)
    args, kwargs = (stored["a"], stored["k"]) if isinstance(stored, dict) else (stored, {})
    result = last.outcome.result if last is not None and isinstance(last.outcome, Completed) else None
    return Call(list(args), kwargs, plain(result) if result is not None else None)
