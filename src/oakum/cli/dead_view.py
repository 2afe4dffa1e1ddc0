"""How dead letters look: a line a cause, or one cause with its traceback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from oakum.cli import show
from oakum.inspector.dead import DeadGroup
from oakum.inspector.views import JobStory
from oakum.model.ids import id_text

_OTHER_COLUMNS: Final = 8 + 7 + 6 + 26 + 2 * 5  # group, jobs, last, newest job, and what is between them
_SHORTEST_NAME: Final = 16
_MOST_IDS: Final = 5


def groups_view(groups: Sequence[DeadGroup], now_ms: int, width: int) -> RenderableType:
    """A line a cause, the largest first."""
    longest = max(len(each.task) for each in groups)
    names = min(longest, max(_SHORTEST_NAME, (width - _OTHER_COLUMNS) // 2))
    table = show.table("GROUP", "JOBS", "LAST", "TASK", left=1)
    table.expand = True
    table.add_column("ERROR", no_wrap=True, overflow="ellipsis", ratio=1)
    for each in groups:
        error = f"{each.type}: {each.message}" if each.message else each.type
        table.add_row(
            each.fingerprint,
            show.number(each.jobs),
            show.age(now_ms - each.newest_ms),
            show.tail(each.task, names),
            Text(show.clean(error.splitlines()[0] if error else ""), "magenta" if each.quarantined else "red"),
        )
    return table


def group_view(group: str, ids: Sequence[bytes], story: JobStory, now_ms: int) -> Iterator[RenderableType]:
    """One cause: how many, the newest one's error and traceback, and the ids of the newest few."""
    last = story.starts[-1] if story.starts else None
    yield Text.assemble((group, "bold"), f"  {show.jobs(len(ids))} of {story.job.task}")
    if last is not None:
        yield Text(show.clean(f"{last.type}: {last.message}" if last.message else last.type), "red")
        if last.traceback:
            yield Text(show.clean(last.traceback.rstrip()), "bright_black")
    if story.job.ended_ms is not None:
        yield Text(f"the newest {show.age(now_ms - story.job.ended_ms)} ago:")
    for each in ids[:_MOST_IDS]:
        yield Text(f"  oakum jobs show {id_text(each)}")
    if len(ids) > _MOST_IDS:
        yield Text(f"  and {len(ids) - _MOST_IDS:,} more", "bright_black")
    yield Text(f"oakum dead retry --group {group}    oakum dead drop --group {group}", "bright_black")
