"""How one job's story is told."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from oakum.cli import show
from oakum.inspector.views import JobRow, JobStory, ProgressRow, RunningRow, StartRow
from oakum.units import format_duration, format_size

_CAUGHT: Final = {
    "child": "by the child itself",
    "meter": "by the meter, from outside",
    "kernel": "by the kernel",
    "worker": "by the worker",
}
_OUTCOME_STYLES: Final = {
    "completed": "green",
    "snoozed": "blue",
    "given back": "bright_black",
    "cancelled": "bright_black",
}


def story_view(story: JobStory, now_ms: int) -> Iterator[RenderableType]:
    """The whole story, a paragraph after the other."""
    job = story.job
    yield Text.assemble((show.clean(job.task), "bold"), "  ", (job.state, show.STATE_STYLES[job.state]))
    yield _facts(story, now_ms)
    for start in story.starts:
        yield ""
        yield from _start(start)
    if story.log:
        yield Text("\nlog", "bold")
        yield Text(show.clean(story.log.rstrip()))


def progress_text(progress: ProgressRow) -> str:
    """How far a job says it is."""
    share = f" ({progress.done / progress.total:.0%})" if progress.total else ""
    of = f" of {progress.total:,g}" if progress.total else ""
    return f"{progress.done:,g}{of}{share} {progress.note}".rstrip()


def _facts(story: JobStory, now_ms: int) -> RenderableType:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="bright_black", no_wrap=True)
    for name, value in _fact_lines(story, now_ms):
        facts.add_row(name, show.clean(value))
    return facts


def _fact_lines(story: JobStory, now_ms: int) -> Iterator[tuple[str, str]]:
    job = story.job
    yield "id", job.id
    yield "queue", f"{job.queue}, priority {job.priority}"
    yield "created", _when(job.created_ms, now_ms)
    if job.state == "scheduled":
        yield "due", _when(job.run_at_ms, now_ms)
    if job.expires_ms is not None:
        yield "expires", _when(job.expires_ms, now_ms)
    if job.ended_ms is not None:
        yield "ended", _when(job.ended_ms, now_ms)
    if job.tags:
        yield "tags", ", ".join(job.tags)
    if job.parent is not None:
        yield "parent", f"{job.parent}, enqueued this job or is retried by it"
    if story.running is not None:
        yield "runs in", _running(story.running)
    if job.progress is not None:
        yield "progress", f"{progress_text(job.progress)}, said {_when(job.progress.at_ms, now_ms)}"
    if story.cancel_asked:
        yield "cancel", "asked for; it still runs"
    if not story.starts and job.error:
        yield "why", job.error
    yield "spent", _spent(job)
    yield from _call_lines(story)


def _call_lines(story: JobStory) -> Iterator[tuple[str, str]]:
    if story.call is None:
        yield "arguments", f"{format_size(story.payload_bytes)}, hidden: --payload shows them"
        return
    words = [_literal(value) for value in story.call.args]
    words += [f"{name}={_literal(value)}" for name, value in story.call.kwargs.items()]
    yield "arguments", ", ".join(words) or "none"
    if story.job.state == "completed":
        yield "result", _literal(story.call.result)


def _spent(job: JobRow) -> str:
    spent = ((job.starts, "start"), (job.tries, "failed try"), (job.crashes, "crash"), (job.over, "time over budget"))
    plurals = {"failed try": "failed tries", "crash": "crashes", "time over budget": "times over budget"}
    words = [f"{count} {what if count == 1 else plurals.get(what, what + 's')}" for count, what in spent if count]
    return ", ".join(words) or "nothing: it was never started"


def _running(running: RunningRow) -> str:
    return (
        f"child {running.child_pid} of worker {running.worker_pid} on {running.host},"
        f" for {format_duration(running.running_us / 1e6)}, {format_size(running.measured)} taken"
        f" of {format_size(running.reserved)}"
    )


def _start(start: StartRow) -> Iterator[RenderableType]:
    at_ms = start.started_ms if start.started_ms is not None else start.ended_ms
    style = _OUTCOME_STYLES.get(start.outcome, "red")
    when = show.moment(at_ms).partition(" ")[2] if at_ms is not None else ""
    yield Text.assemble((f"start {start.number}", "bold"), f"  {when}  ", (start.outcome, style), _measured(start))
    told_below = start.outcome == "failed" and start.traceback  # whose last line is the message
    message = "" if told_below else ": ".join(filter(None, (start.type, start.message)))
    caught = f"caught {_CAUGHT[start.caught_by]}" if start.caught_by else ""
    for text in (message, caught, start.traceback):
        if text:
            yield Text(textwrap.indent(show.clean(text.rstrip()), "  "))


def _measured(start: StartRow) -> str:
    """What it took, as far as that is known."""
    words = f" after {format_duration(start.duration_us / 1e6)}" if start.duration_us is not None else ""
    if start.peak is not None and start.exact:
        words += f", peak {format_size(start.peak)}"
    elif start.peak:
        words += f", peak {format_size(start.peak)} or more"
    if start.peak and start.resting:
        words += f" over {format_size(start.resting)} at rest"
    if start.retained:
        words += f", {format_size(start.retained)} kept"
    return words


def _when(wall_ms: int, now_ms: int) -> str:
    away = (now_ms - wall_ms) / 1000
    relative = f"{format_duration(away)} ago" if away >= 0 else f"in {format_duration(-away)}"
    return f"{show.moment(wall_ms)}, {relative}"


def _literal(value: Any) -> str:
    return msgspec.json.encode(value).decode()
