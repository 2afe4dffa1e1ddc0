"""How a listing of jobs looks, from 80 columns on."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from oakum.cli import show
from oakum.cli.story_view import progress_text
from oakum.inspector.views import JobPage, JobRow

_OTHER_COLUMNS: Final = 26 + 11 + 7 + 6 + 5 + 2 * 5  # id, state, age, took, peak, and what is between them
_SHORTEST_NAME: Final = 16
_SHORTEST_NOTE: Final = 20


def page_view(page: JobPage, now_ms: int, width: int) -> RenderableType:
    """A line a job; with a note at its end where there is room for one."""
    longest = max(len(job.task) for job in page.jobs)
    names = min(longest, max(_SHORTEST_NAME, width - _OTHER_COLUMNS))
    with_note = width - _OTHER_COLUMNS - names - 2 >= _SHORTEST_NOTE
    table = show.table("ID", "STATE", "TASK", "AGE", "TOOK", "PEAK", left=3)
    if with_note:
        table.expand = True
        table.add_column("NOTE", no_wrap=True, overflow="ellipsis", ratio=1)
    for job in page.jobs:
        note = [Text(show.clean(_note(job, now_ms)), "bright_black")] if with_note else []
        table.add_row(
            job.id,
            Text(job.state, show.STATE_STYLES[job.state]),
            show.tail(job.task, names),
            show.age(now_ms - job.created_ms),
            show.micros(job.duration_us),
            show.size(job.peak),
            *note,
        )
    if page.before is None:
        return table
    return Group(table, Text(f"older ones: --before {page.before}", "bright_black"))


def _note(job: JobRow, now_ms: int) -> str:
    """What is worth knowing of a job, in a few words."""
    if job.state == "running":
        return progress_text(job.progress) if job.progress is not None else ""
    if job.state == "scheduled":
        due = show.age(job.run_at_ms - now_ms)
        return f"in {due}" + (f", after {job.error}" if job.error else "")
    return job.error
